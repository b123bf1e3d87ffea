"""Every built-in component keeps what its kind promises, on the examples of ``plugins/examples.py``."""

import pytest

from graftwork.core.testing import check_component
from graftwork.core.testing.component_checks import Outcome
from graftwork.core.testing.installed_plugin import chosen, examples_of, find_plugin
from graftwork.core.testing.parametrize import pytest_checks
from graftwork.registry.discovery import default_catalogue

BUILTIN = find_plugin("builtin", default_catalogue())
#: What cannot be tried here: the media are published elsewhere.
ELSEWHERE = {
    f"dataset.{one}"
    for one in "oxford_pets flowers102 food101 nlvr2 vqav2 msrvtt msvd ave music_avqa avsbench".split()  # noqa: SIM905
}


@pytest.mark.parametrize("component", BUILTIN.components, ids=lambda one: one.name)
def test_a_builtin_passes_the_kit(component, tmp_path):
    """Every check on every example; what does not apply says why."""
    examples = examples_of(BUILTIN, component, tmp_path)
    if isinstance(examples, str):
        assert component.name in ELSEWHERE
        pytest.skip(examples)
    assert all(isinstance(one, Outcome) for one in check_component(component, examples=examples))


def test_components_of_a_kind_and_type_are_chosen():
    """And an unknown one is answered with the nearest."""
    assert [one.name for one in chosen(BUILTIN, "adapter", "lora")] == ["adapter.lora"]
    with pytest.raises(Exception, match="no component of kind `adaptor`; did you mean `adapter`"):
        chosen(BUILTIN, "adaptor", None)


def test_checks_of_several_examples_are_told_apart():
    """The first as it is, the others numbered."""
    (sgd,) = chosen(BUILTIN, "optimizer", "sgd")
    names = {repr(one) for one in pytest_checks([sgd], {sgd.name: [{}, {"momentum": 0.5}]})}
    assert {"optimizer.sgd-descends", "optimizer.sgd-1-descends"} <= names
