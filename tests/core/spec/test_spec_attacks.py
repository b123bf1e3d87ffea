"""Attacks on the spec loader: each ends in a clear error within a second of CPU time and 300 MB."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ...support.spec_attacks import PATHS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory and CPU time are set as on Linux")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Name of the attack to what the user reads, from one process with limits."""
    folder = tmp_path_factory.mktemp("attacks")
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.spec_attacks", str(folder)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers: dict[str, str] = json.loads(done.stdout)
    return {name: text.replace(f"{folder}/", "").replace(str(folder), "the folder") for name, text in answers.items()}


def test_every_attack_is_refused_within_its_limits(said):
    """No other exception, no second, no memory: the child says so of each by name."""
    other = {
        name: text for name, text in said.items() if text.startswith("NOT REFUSED") or text.partition(":")[0].isupper()
    }
    assert other == {}
    assert len(said) > 150
    assert len(PATHS) >= 40


def _is_exception(text: str) -> bool:
    name = text.partition(":")[0]
    return name.isupper() and name.endswith(("ERROR", "EXCEPTION"))


def test_every_message_is_readable(said):
    """Whatever the size of the attack, lines are short, few, and hold no letter that a terminal acts upon."""
    for text in said.values():
        lines = text.split("\n")
        assert len(lines) <= 102
        assert all(line.isprintable() and 10 < len(line) < 3000 for line in lines)


@pytest.mark.parametrize("text", PATHS)
def test_no_path_leads_anywhere(said, text):
    """Refused for what it is, or because nothing is there; never because of what a file outside the root holds."""
    line = said[f"extends {text[:40]!r} ({len(text)})"]
    place, path, reason = line.split(": ", 2)
    assert (place, path) == ("spec.json:1:13", "$.extends")
    assert reason.startswith(("`", "a path ", "expected a file's path"))
    assert "object" not in reason


SAID = {
    "20 MB": "spec.json: $: larger than 1048576 bytes, the most that a spec holds",
    "depth 10,000 of lists": "spec.json:1:66: $: nested deeper than 64 levels",
    "a megabyte of values": "spec.json:1:40000: $: more than 20000 values, the most that a spec holds; "
    "data belongs in files of its own",
    "a key twice, once escaped": "spec.json:1:13: $.seed: key `seed` stands here twice",
    "NaN": "spec.json:1:10: $.seed: NaN is not JSON",
    "a lone high surrogate": "spec.json:1:10: $.name: a string with half a surrogate pair",
    "a surrogate in UTF-8": "spec.json: $: not UTF-8: byte 10",
    "two byte-order marks": "spec.json:1:1: $: `\\ufeff` is not JSON",
    "a byte-order mark alone": "spec.json:1:1: $: the file ends here; a value is missing",
    "the type 'os.system'": "spec.json:1:87: $.adapter.type: unknown adapter type `os.system` "
    "(installed: bottleneck, clip_adapter, diffusion, ga_net, hmmoe, lora, none)",
    "a search of 19,000 values": "spec.json:1:112: $.search: 18999 values to try; the most is 500 "
    '(give a range and "trials", or fewer values)',
    "itself": "spec.json:1:13: $.extends: files extend each other: spec.json extends spec.json",
    "a dictionary in itself": "$: nested deeper than 64 levels",
}


@pytest.mark.parametrize("name", SAID)
def test_message_of(said, name):
    """What is wrong and where, word for word."""
    assert said[name].split("\n") == [SAID[name]]
