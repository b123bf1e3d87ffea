"""HMMoE: heterogeneous experts inside frozen towers."""

from .spec import HMMoESpec, RouterSpec

__all__ = ["HMMoESpec", "RouterSpec"]
