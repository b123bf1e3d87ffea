"""A run over a sequence of tasks: trainings that begin where the one before ended, and what they forget."""
