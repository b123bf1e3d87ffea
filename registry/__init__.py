"""The ground of Graftwork: what a component is, how it is found, and how a spec is validated against what is installed.

Stands on pluggy and pydantic alone; importing it costs no torch.
"""

__version__ = "0.1.0"
