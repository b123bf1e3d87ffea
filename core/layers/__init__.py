"""Adapters inside the towers: the towers run in training, batch by batch."""
