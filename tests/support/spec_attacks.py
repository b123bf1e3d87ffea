"""Attacks on the spec loader, run as a program: ``python -m tests.support.spec_attacks FOLDER``.

Every attack must end in a ``SpecError`` within a second of this process's CPU time, in an address space with room for
``MEGABYTES`` beyond what the imports take. Prints one JSON object: name of the attack to what the user reads.
With ``SPEC_ATTACKS_TIMES`` set, the CPU seconds of each go to standard error.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from graftwork import SpecError
from graftwork.core.spec.load_spec import load_spec, spec_from_dict
from graftwork.core.spec.overrides import parse_set

SECONDS, MEGABYTES = 1.0, 300

#: Under `extends`, and as names of spec files.
PATHS = [
    "../base.json",
    "../../../../etc/passwd",
    "a/../../base.json",
    "....//base.json",
    "..",
    ".",
    "./",
    "/",
    "/etc/passwd",
    "//etc/passwd",
    "/dev/zero",
    "/dev/stdin",
    "/proc/self/environ",
    "/proc/self/fd/0",
    "~/base.json",
    "~root/base.json",
    "\\\\server\\share\\base.json",
    "//server/share/base.json",
    "\\\\?\\C:\\base.json",
    "\\\\.\\PhysicalDrive0",
    "C:\\base.json",
    "C:base.json",
    "c:/base.json",
    "..\\base.json",
    "base.json::$DATA",
    "CON",
    "nul.json",
    "com1",
    "LPT1.txt",
    "http://127.0.0.1/base.json",
    "https://example.org/base.json",
    "file:///etc/passwd",
    "ftp://example.org/x",
    "data:,{}",
    "jar:file:/x!/y",
    "base.json\x00.png",
    "\x00",
    "base\n.json",
    "a" * 300,
    "a/" * 600,
    "a" * 100_000,
    "%2e%2e/base.json",
    "..%2fbase.json",
    "．．/base.json",
    "$HOME/base.json",
    "${HOME}/base.json",
    "%APPDATA%/base.json",
    "\u202ebase.json",
    "-",
    "",
]

#: A pipeline with one section left open.
WHOLE = '{"dataset": {"type": "digits"}, "encoder": {"type": "open_clip"}, "adapter": %s}'


def contents() -> Iterator[tuple[str, bytes]]:
    """Files that are no honest specs."""
    yield "20 MB", b" " * 20_000_000
    yield "20 MB of brackets", b"[" * 20_000_000
    yield "depth 10,000 of lists", b"[" * 10_000 + b"]" * 10_000
    yield "depth 10,000 of objects", b'{"a":' * 10_000 + b"1" + b"}" * 10_000
    yield "a megabyte of values", b"[" + b"0," * 500_000 + b"0]"
    yield "a megabyte of empty objects", b'{"reporters": [' + b"{}," * 300_000 + b"{}]}"
    yield "as many wrong items as are read", WHOLE.encode() % (b"[%s0]" % (b"0," * 19_000))
    yield "as many unknown keys as are read", json.dumps({f"graph{n}": n for n in range(19_000)}).encode()
    yield "a key of a megabyte", b'{"' + b"k" * 1_000_000 + b'": 1}'
    yield "a string of a megabyte", WHOLE.encode() % (b'{"type": "' + b"x" * 1_000_000 + b'"}')
    yield "a megabyte of dollars", WHOLE.encode() % (b'{"type": "' + b"${" * 500_000 + b'"}')
    yield "a megabyte of percents", WHOLE.encode() % (b'{"type": "' + b"%A" * 500_000 + b'"}')
    yield "a key twice", b'{"seed": 1, "seed": 2}'
    yield "a key twice, once escaped", b'{"seed": 1, "se\\u0065d": 2}'
    yield "NaN", b'{"seed": NaN}'
    yield "-Infinity", b'{"seed": -Infinity}'
    yield "4,301 digits", b'{"seed": ' + b"1" * 4301 + b"}"
    yield "a million digits", b'{"seed": ' + b"1" * 1_000_000 + b"}"
    yield "a million digits behind the point", b'{"seed": 0.' + b"1" * 1_000_000 + b"}"
    yield "an exponent of a million digits", b'{"seed": 1e' + b"9" * 1_000_000 + b"}"
    yield "1e999", b'{"seed": 1e999}'
    yield "a lone high surrogate", b'{"name": "\\ud83d"}'
    yield "a lone low surrogate in a key", b'{"\\ude00": 1}'
    yield "a surrogate in UTF-8", b'{"name": "\xed\xa0\xbd"}'
    yield "overlong UTF-8", b'{"name": "\xc0\xaf"}'
    yield "a byte-order mark alone", b"\xef\xbb\xbf"
    yield "two byte-order marks", b"\xef\xbb\xbf\xef\xbb\xbf{}"
    yield "UTF-16", '{"seed": 1}'.encode("utf-16")
    yield "UTF-32", '{"seed": 1}'.encode("utf-32")
    yield "a NUL between", b'{"seed":\x00 1}'
    yield "nothing", b""
    for name in (
        "os.system",
        "builtins.eval",
        "__import__",
        "graftwork.plugins.adapters:GANet",
        "../ga_net",
        "ga_net\x00",
    ):
        yield f"the type {name!r}", (WHOLE % json.dumps({"type": name})).encode()
    for key in ("__class__", "__dict__", "model_config", "__init__.__globals__", "type.__class__"):
        yield f"the key {key}", (WHOLE % json.dumps({"type": "none", key: {}})).encode()
    yield "a search product of 10^100", searching({f"encoder.templates.{n}": list(range(4)) for n in range(100)} | GRID)
    yield "a search product of 2^9,000", searching({f"k{n}": [0, 1] for n in range(6_000)})
    yield "a search of 19,000 values", searching({"adapter.bottleneck": list(range(1, 19_000))}, 3)
    yield "a search through 10,000 steps", searching({"a." * 10_000 + "b": [1]})
    yield "a search for the search", searching({"search": [{"search": {"seed": [1]}}], "seed": [1]})


GRID: dict[str, Any] = {f"task.{n}": list(range(10)) for n in range(100)}


def searching(values: dict[str, Any], trials: int | None = None) -> bytes:
    """A pipeline that searches."""
    whole = json.loads(WHOLE % '{"type": "bottleneck"}')
    return json.dumps({**whole, "search": values, **({"trials": trials} if trials else {})}).encode()


def attacks(folder: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Name and what to call."""
    spec = folder / "spec.json"
    for text in PATHS:
        spec.write_text(json.dumps({"extends": text}))
        yield f"extends {text[:40]!r} ({len(text)})", lambda: load_spec(spec)
        yield f"a root {text[:40]!r} ({len(text)})", lambda: spec_from_dict(at_root(text))  # noqa: B023
    for text in ("\x00", "a" * 300, "a" * 100_000, "nowhere/spec.json", "."):
        yield f"the file {text[:40]!r} ({len(text)})", lambda: load_spec(folder / text)  # noqa: B023
    for name, content in contents():
        spec.write_bytes(content)
        yield name, lambda: load_spec(spec)
    for name, files in webs():
        for file, value in files.items():
            (folder / f"{file}.json").write_text(json.dumps(value))
        yield name, lambda: load_spec(spec)
    whole = json.loads(WHOLE % '{"type": "none"}')
    spec.write_text(json.dumps(whole))
    for setting in (
        "a." * 10_000 + "b=1",
        "reporters." + "9" * 5_000 + "=1",
        "seed=" + "[" * 100_000,
        "x=" + "1" * 5_000,
    ):
        yield f"--set {setting[:30]}", lambda: load_spec(spec, parse_set([setting]))  # noqa: B023
    endless: dict[str, Any] = {}
    endless["task"] = endless
    yield "a dictionary in itself", lambda: spec_from_dict(whole | endless)


def at_root(text: str) -> dict[str, Any]:
    """A pipeline whose pictures lie there, and that has a mistake anyway."""
    return {"dataset": {"type": "image_folder", "root": text}, "encoder": {"type": "open_clip"}}


def webs() -> Iterator[tuple[str, dict[str, Any]]]:
    """Files that extend each other."""
    yield "itself", {"spec": {"extends": "spec.json"}}
    yield (
        "a ring of 30",
        {f"f{n}": {"extends": f"f{(n + 1) % 30}.json"} for n in range(30)} | {"spec": {"extends": "f0.json"}},
    )
    yield (
        "a chain of 1,000",
        {f"f{n}": {"extends": f"f{n + 1}.json"} for n in range(1_000)} | {"spec": {"extends": "f0.json"}},
    )
    tree = {f"f{n}": {"extends": [f"f{n + 1}.json"] * 50} for n in range(7)} | {"f7": {}}
    yield "50^8 files", tree | {"spec": {"extends": ["f0.json"] * 50}}
    yield "19,000 bases", {"base": {}, "spec": {"extends": ["base.json"] * 19_000}}
    big = {f"f{n}": {"search": {f"k{n}.{m}": [0] for m in range(600)}} for n in range(30)}
    yield "30 bases of a thousand values", big | {"spec": {"extends": [f"f{n}.json" for n in range(30)]}}


class TooSlow(BaseException):
    """No code under attack catches it."""


def _stop(number: int, frame: object) -> NoReturn:
    raise TooSlow


def main(folder: Path) -> None:
    """Run all, one after another."""
    whole = json.loads(WHOLE % '{"type": "none"}')
    spec_from_dict(whole)  # what is imported once is no part of an attack
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEGABYTES * 10**6,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (300, 300))
    signal.signal(signal.SIGPROF, _stop)
    said: dict[str, Any] = {}
    for name, attack in attacks(folder):
        start = time.process_time()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            found = attack()
            said[name] = f"NOT REFUSED: {found!r}"[:200]
        except SpecError as error:
            said[name] = str(error)
        except (Exception, TooSlow) as error:  # noqa: BLE001 (what else it is, is what the test asks)
            said[name] = f"{type(error).__name__.upper()}: {error}"[:200]
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        if os.environ.get("SPEC_ATTACKS_TIMES"):
            print(f"{time.process_time() - start:.3f} s {name[:60]!r}", file=sys.stderr)
    print(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
