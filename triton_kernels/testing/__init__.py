"""A property-test kit for kernels, ours and yours: `check_kernel`, its properties, and strategies for what they take.

Needs hypothesis (`pip install graftwork[testing]`). `docs/kernels.md` walks through a kernel of your own.
"""

from .agreement import layouts, permutation, same_dtype, values
from .check_kernel import PROPERTIES, Checked, PropertyFailed, available_devices, check_kernel
from .counts import Counts, counted
from .determinism import inputs_kept, reruns, settings_kept, threads
from .gradients import finite_differences, gradients
from .kernel import Inputs, Kernel, dense_adjacency, describe, outputs
from .layouts import LAYOUTS, relaid, unbacked
from .non_finite import non_finite
from .property import Property
from .strategies import KINDS, embeddings, heavy_graphs, non_finite_embeddings, sparse_graphs, thresholds
from .tolerances import TOLERANCES, Tolerance, difference

__all__ = [
    "KINDS",
    "LAYOUTS",
    "PROPERTIES",
    "TOLERANCES",
    "Checked",
    "Counts",
    "Inputs",
    "Kernel",
    "Property",
    "PropertyFailed",
    "Tolerance",
    "available_devices",
    "check_kernel",
    "counted",
    "dense_adjacency",
    "describe",
    "difference",
    "embeddings",
    "finite_differences",
    "gradients",
    "heavy_graphs",
    "inputs_kept",
    "layouts",
    "non_finite",
    "non_finite_embeddings",
    "outputs",
    "permutation",
    "relaid",
    "reruns",
    "same_dtype",
    "settings_kept",
    "sparse_graphs",
    "threads",
    "thresholds",
    "unbacked",
    "values",
]
