"""One training loop for adapters of both levels."""
