"""One run, from spec to run folder, and back."""
