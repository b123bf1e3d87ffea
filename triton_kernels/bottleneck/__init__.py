"""The fused bottleneck of a graph adapter."""
