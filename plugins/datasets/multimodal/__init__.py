"""Data sets of several modalities, in the layout in which they are published."""
