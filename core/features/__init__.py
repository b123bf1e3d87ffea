"""Adapters on features: everything is encoded once, then trainings run on the vectors."""
