"""Commands that make runs, compare them, and ask them."""
