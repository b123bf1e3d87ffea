"""A frozen model as blocks and stops that are met in lock-step; no adapter is known here."""
