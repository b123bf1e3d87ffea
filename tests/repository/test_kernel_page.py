"""docs/kernels.md runs as it stands."""

import re
from typing import Any

import pytest

from graftwork.triton_kernels import testing

from ..support.paths import ROOT

PAGE = (ROOT / "docs" / "kernels.md").read_text("utf-8")
USE, EXAMPLE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def executed(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(code, names)
    return names


def test_the_first_example_runs() -> None:
    assert executed(USE)["both"].num_nodes == 1010


def test_the_worked_example_holds_and_checks_everything(capsys: pytest.CaptureFixture[str]) -> None:
    executed(EXAMPLE)["test_edge_softmax"]()
    report = capsys.readouterr().out
    assert all(f"property='{one.name}', device='cpu', examples=" in report for one in testing.PROPERTIES)
    assert "examples=0" not in report


def test_a_fault_in_the_worked_example_is_found() -> None:
    faulty = EXAMPLE.replace("graph.row, weight)", "graph.row, weight.detach())")
    assert faulty != EXAMPLE
    with pytest.raises(testing.PropertyFailed, match="'gradients'"):
        executed(faulty)["test_edge_softmax"]()


def test_the_page_names_every_property_and_strategy() -> None:
    names = {one.name for one in testing.PROPERTIES} | {"permutation", "embeddings", "thresholds", "sparse_graphs"}
    names |= {"heavy_graphs", "non_finite_embeddings", "unbacked", "dense_adjacency"}
    assert [name for name in sorted(names) if f"`{name}" not in PAGE] == []
