"""Trainings side by side: processes that train, and the one that reads what they did."""
