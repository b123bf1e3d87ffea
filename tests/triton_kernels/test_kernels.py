"""Every kernel has the properties that the kit checks, on the CPU and, where there is one, on the GPU."""

import pytest

from graftwork.triton_kernels.testing import check_kernel

from ..support.kernel_cases import CASES

EXAMPLES = {"values": 100, "finite_differences": 5, "threads": 10}
"""Of values there cannot be too many; finite differences take thousands of runs each. Of the others: 25."""


@pytest.mark.parametrize(
    ("case", "name"), [(case, name) for case, one in CASES.items() for name in one.named()], ids=str
)
def test_a_kernel_has_the_property(case: str, name: str) -> None:
    one = CASES[case]
    examples = EXAMPLES.get(name, 25)
    check_kernel(
        one.op,
        one.reference,
        one.strategy,
        properties=[one.named()[name]],
        tolerances=one.tolerances,
        examples=examples,
    )
