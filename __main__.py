"""``python -m graftwork``: the command line, as ``graftwork`` is."""

from .core.cli import main

if __name__ == "__main__":
    main()
