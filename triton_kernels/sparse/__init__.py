"""The graph as compressed rows, and what is done to its structure."""
