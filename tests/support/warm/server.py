"""Imports what commands wait for, and forks a process for each that asks. See the package."""

from __future__ import annotations

import gc
import importlib
import importlib.util
import json
import os
import select
import site
import socket
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

#: Third parties' alone. Not scikit-learn, which imports pyarrow, which begins a thread.
IMPORTED = ("torch", "torch._dynamo", "torchvision", "transformers", "timm", "open_clip", "scipy.stats")
MENDING = Path(__file__).parents[3] / "registry" / "importing.py"
#: Of the environment, by what is imported: where a command wants another, it begins anew.
READ = ("OMP_NUM_THREADS", "TRITON_INTERPRET")
#: Python's own.
STANDARD = [path for path in sys.path if path.startswith(sys.base_prefix) and "-packages" not in path]


def prepare() -> None:
    """Import, and leave nothing behind that a fork would break: this process must have one thread."""
    spec = importlib.util.spec_from_file_location("mending", MENDING)
    assert spec is not None
    assert spec.loader is not None
    mending = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mending)
    before = [*sys.meta_path]
    mending.mend_torchvision()
    for name in IMPORTED:
        importlib.import_module(name)
    sys.meta_path[:] = before
    assert threading.active_count() == 1, threading.enumerate()
    if (threads := Path("/proc/self/task")).is_dir():
        assert len([*threads.iterdir()]) == 1, "a thread of C code"
    gc.freeze()


def serve(door: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Returns in the process that is asked for, with the request and its three streams; elsewhere never."""
    waiting = 0
    while True:
        readable, _, _ = select.select([door, 0], [], [])
        while waiting and os.waitpid(-1, os.WNOHANG)[0]:
            waiting -= 1
        if 0 in readable:  # whoever started this process is gone
            os._exit(0)
        line, _ = door.accept()
        if os.fork() == 0:
            door.close()
            return attend(line)
        line.close()
        waiting += 1


def attend(line: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """A process that waits for the one that is asked for, and says how it ended."""
    _, streams, _, _ = socket.recv_fds(line, 1, 3)
    request = json.loads(line.makefile().read())
    child = os.fork()
    if child == 0:
        line.close()
        return request, list(streams)
    for stream in streams:
        os.close(stream)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    line.sendall(str(code if code >= 0 else 128 - code).encode())
    os._exit(0)


def become(request: dict[str, Any], streams: list[int]) -> str:
    """Take over what the caller has, as a new ``python -c`` in its environment would. Returns the script."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    python, asked = Path(request["python"]), request["environment"]
    if any(os.environ.get(name) != asked.get(name) for name in READ):
        os.execve(python, [python, "-c", request["script"], *request["arguments"]], asked)
    os.environ.clear()
    os.environ.update(asked)
    sys.executable, sys.prefix, sys.exec_prefix = str(python), *[str(python.parents[1])] * 2
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.argv[:] = ["-c", *request["arguments"]]
    sys.path[:] = ["", *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)), *STANDARD]
    for packages in python.parents[1].glob("lib/python3*/site-packages"):
        site.addsitedir(str(packages))
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()
    return str(request["script"])


if __name__ == "__main__":
    prepare()
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(sys.argv[1])
        door.listen()
        print("ready", flush=True)
        asked = serve(door)
    main = sys.modules["__main__"] = ModuleType("__main__")
    exec(compile(become(*asked), "<string>", "exec"), main.__dict__)
