"""Processes that begin with torch and the like imported, so that a command of a test waits for none of it.

One process (``server``) a worker imports them, and nothing of Graftwork. For each command it forks one that takes over
the caller's streams, folder, environment and search path: Graftwork, its plugins and the command itself are imported
and run there, and end with it. Only what third parties import is shared. That commands start by themselves, and what
they import, is asked in ``tests/repository``: ``test_light``, ``test_packaging`` and ``test_outside_package``.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
#: A script that is pytest. A plugin of it, anyio, may be imported already, since transformers asks for it.
PYTEST = "import sys, pytest; sys.exit(pytest.main(['-W', 'ignore:Module already imported', *sys.argv[1:]]))"


class Warm:
    """The server of this process. Ends with it, at the latest: its standard input is closed then."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="warm"))  # a socket's path takes 107 bytes at most
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("GRAFTWORK_", "PYTEST_"))
        }
        with open(self._folder / "stderr", "wb") as errors:
            self._server = subprocess.Popen(
                [sys.executable, HERE / "server.py", self._folder / "door"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment | {"OMP_NUM_THREADS": "1"},
            )
        assert self._server.stdout is not None
        said = self._server.stdout.readline()
        assert said == b"ready\n", (self._folder / "stderr").read_text()

    def command(self, python: str | Path, script: str) -> list[str]:
        """What to call for ``python -c script``; arguments follow."""
        client = [sys.executable, "-I", "-S", HERE / "client.py", self._folder / "door", python, script]
        return [*map(str, client)]

    def shell(self, python: str | Path, script: str) -> str:
        """The same for a shell."""
        return shlex.join(self.command(python, script))

    def close(self) -> None:
        """Ends the server, which takes its folder along."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()
        shutil.rmtree(self._folder)
