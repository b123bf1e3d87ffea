"""The conformance kit itself: each check is failed by a component that fails just that one."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator

from graftwork.core.testing import (
    KINDS,
    AdapterSuite,
    ConformanceError,
    check_component,
    checks_for,
    parametrize_with_checks,
    run_checks,
)
from graftwork.core.testing.checks import specs
from graftwork.core.testing.checks.reporters import RESULT
from graftwork.core.testing.component_checks import UnknownCheck
from graftwork.core.testing.kinds import RUNS, SPEC
from graftwork.registry.component import Component
from graftwork.registry.spec import Spec

from ...support.bad_components import BAD, GOOD, WITHOUT_WEIGHTS
from ...support.paths import ROOT
from ...support.small_pipeline import pipeline


@pytest.fixture(autouse=True)
def few_examples(monkeypatch, tmp_path):
    """Enough for the faults here; and a place for the litter of one of them."""
    monkeypatch.setattr(specs, "EXAMPLES", 30)
    monkeypatch.setenv("LITTER", str(tmp_path / "litter"))


def outcomes(component, example):
    return {one.check: one for one in run_checks(component, examples=[example])}


@pytest.mark.parametrize("kind", GOOD)
def test_a_component_without_a_fault_passes(kind):
    """What the bad ones were made of."""
    check_component(GOOD[kind][0], examples=[GOOD[kind][1]])


def test_an_encoder_without_weights_passes():
    """It has 0 parameters, and the sha256 of nothing."""
    check_component(WITHOUT_WEIGHTS)


def test_what_is_no_sha256_is_answered_with_what_to_give():
    """Also where there are no weights."""
    found = outcomes(*BAD["encoder", "facts"])["facts"].detail
    assert found.startswith("weights are 'pixels', not a sha256 in hex")
    assert 'of nothing it is hashlib.sha256(b"").hexdigest()' in found


@pytest.mark.parametrize(("kind", "check"), BAD, ids=lambda one: one)
def test_each_fault_is_found_by_its_check_alone(kind, check):
    """And the report says something."""
    found = outcomes(*BAD[kind, check])
    assert [name for name, one in found.items() if one.status == "failed"] == [check]
    assert found[check].detail


def test_a_primary_figure_that_should_be_small_is_told_the_rule():
    """Selection maximises it, which no signature says."""
    found = outcomes(*BAD["task", "best_logits"])["best_logits"].detail
    assert found.startswith("loss is ")
    assert "; `primary` is what selection maximises: name a figure of which more is better" in found


def test_every_check_has_a_bad_component():
    """What all kinds share is tried on one of them."""
    tried = {check.run for kind, name in BAD for check in checks_for(kind) if check.name == name}
    assert {check.run for kind in KINDS for check in kind.checks} == tried


def test_all_failures_are_told_at_once():
    """With the check's name and the reason."""
    with pytest.raises(
        ConformanceError, match=r"adapter\.adapter_shape fails 1 of \d+ checks:\n  shape \(example 0\): "
    ):
        check_component(BAD["adapter", "shape"][0])


def test_an_expected_failure_is_told_with_its_reason():
    """And is no error."""
    found = check_component(BAD["adapter", "shape"][0], expected_failures={"shape": "issue 12"})
    assert {(one.status, one.detail) for one in found if one.check == "shape"} == {("expected", "issue 12")}


def test_an_expected_failure_that_passes_is_stale():
    """So that lists of expected failures stay true."""
    with pytest.raises(ConformanceError, match=r"shape .*it passes now; remove it from expected_failures"):
        check_component(GOOD["adapter"][0], expected_failures={"shape": "issue 12"})


def test_an_expected_failure_of_no_check_is_an_error():
    """With the nearest name."""
    with pytest.raises(UnknownCheck, match=r"no check `shapes`; did you mean `shape`"):
        check_component(GOOD["adapter"][0], expected_failures={"shapes": "issue 12"})


def test_an_example_that_does_not_validate_is_an_error():
    """Before anything runs."""
    with pytest.raises(ConformanceError, match="does not validate"):
        check_component(GOOD["adapter"][0], examples=[{"stray": 1}])


def test_of_unknown_kinds_the_spec_is_checked():
    """A kind that a plugin brings has no contract here."""

    class CurtainSpec(Spec):
        """A curtain."""

        type: Literal["velvet"] = "velvet"

    component = Component("curtain", "velvet", CurtainSpec, "a.b:c", "a curtain")
    assert [check.name for check in checks_for(component)] == [check.name for check in checks_for("adapter")][:6]


def test_an_unknown_kind_is_answered_with_the_nearest():
    with pytest.raises(UnknownCheck, match="no kind `adaptor`; did you mean `adapter`"):
        checks_for("adaptor")


@parametrize_with_checks([GOOD["adapter"][0]])
def test_parametrized(check):
    """As a third party writes it."""
    check()


def test_parametrized_checks_are_named_after_component_and_check():
    """And an expected failure is marked where it runs."""
    mark = parametrize_with_checks([GOOD["head"][0]], examples={"head.head_good": [{}, {}]}).mark
    names = [repr(check) for check in mark.args[1]]
    assert names[0] == "head.head_good-light_import"
    assert names[-1] == "head.head_good-1-state_dict"


class TestSuite(AdapterSuite):
    """As a third party writes it, over a component that is not installed."""

    component = BAD["adapter", "shape"][0]
    expected_failures = {"shape": "made to fail"}  # noqa: RUF012


def test_a_suite_has_a_method_for_each_check_of_each_form():
    """Named by the check, so that one can be overridden."""
    names = {check.name for form in ("adapter", "tower_adapter", "layer_adapter") for check in checks_for(form)}
    assert names == {name.removeprefix("test_") for name in dir(AdapterSuite) if name.startswith("test_")}


def test_the_pytest_plugin_imports_nothing_heavy():
    """It is loaded in every session of whoever has Graftwork installed: six modules of ours, and nothing else."""
    script = "import graftwork.core.testing.pytest_plugin, sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", script], capture_output=True, text=True, check=True
    )
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert loaded.isdisjoint({"torch", "pydantic", "pluggy", "numpy", "hypothesis", "click", "pytest"})
    times = {
        line.split("|")[2].strip(): int(line.split("|")[1])
        for line in done.stderr.splitlines()
        if line.startswith("import time:") and "cumulative" not in line
    }
    ours = {name: time for name, time in times.items() if name.startswith("graftwork")}
    assert set(ours) == {
        "graftwork",
        "graftwork.core",
        "graftwork.core.testing",
        "graftwork.core.testing.pytest_plugin",
        "graftwork.registry",
        "graftwork.registry.importing",
    }


def test_the_marker_gives_a_test_for_each_check(tmp_path):
    """In a session of its own, with the plugin loaded as its entry point does."""
    (tmp_path / "test_it.py").write_text(
        "import pytest\n\n\n@pytest.mark.graftwork_plugin('builtin', kind='optimizer', type='sgd')\n"
        "def test_conformance(graftwork_check):\n    graftwork_check()\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "graftwork.core.testing.pytest_plugin", "--strict-markers"]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert f"{len(checks_for('optimizer'))} passed" in done.stdout, done.stdout + done.stderr


def test_the_page_lists_every_check():
    """A row a kind."""
    page = (ROOT / "docs" / "conformance.md").read_text()
    for kind in KINDS:
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{kind.name}` |")]
        shared = {check.run for check in (*SPEC, *RUNS)}
        own = [check.name for check in kind.checks if check.run not in shared]
        assert row == f"| `{kind.name}` | {', '.join(f'`{name}`' for name in own)} |"
    assert all(f"`{check.name}`" in page for check in (*SPEC, *RUNS))


def test_the_result_that_reporters_are_shown_has_the_keys_of_a_real_one(tmp_path: Path) -> None:
    """Else a reporter that reads one would fail the kit, and pass its runs."""
    result = pipeline(trainer__epochs=1).run(tmp_path / "run", tmp_path / "store").result
    assert RESULT.keys() == result.keys()
    for section in ("dataset", "parameters", "encoder", "graph", "selection", "machine"):
        assert RESULT[section].keys() == result[section].keys()


def test_a_value_that_changes_is_found_though_no_example_has_it():
    """The round trip is tried with what the schema allows; the author is told value, field and what to write."""

    class Capped(GOOD["adapter"][0].spec):
        """Halves what is great, each time it is read."""

        size: Annotated[float, AfterValidator(lambda value: value / 2 if value > 100 else value)] = 1.0
        """How much."""

    component = dataclasses.replace(GOOD["adapter"][0], spec=Capped)
    told = outcomes(component, {"type": component.type})["round_trip"]
    assert told.status == "failed"
    assert re.search(
        r"'size': .*`size` is .*, and .* once it is read again .*let validators leave their own", told.detail
    )
