"""The transformers encoder."""
