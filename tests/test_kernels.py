"""Every kernel has the properties that the kit checks, on the CPU and, where there is one, on the GPU."""

import pytest

from graftwork.triton_kernels.testing import check_kernel

from .kernel_cases import CASES

DEAR = {"finite_differences": 10}
"""Examples of properties that take thousands of runs each."""


@pytest.mark.parametrize(
    ("case", "name"), [(case, name) for case, one in CASES.items() for name in one.named()], ids=str
)
def test_a_kernel_has_the_property(case: str, name: str) -> None:
    one = CASES[case]
    examples = DEAR.get(name, 60)
    check_kernel(
        one.op,
        one.reference,
        one.strategy,
        properties=[one.named()[name]],
        tolerances=one.tolerances,
        examples=examples,
    )
