"""The similarity graph: pairs whose cosine reaches a threshold."""
