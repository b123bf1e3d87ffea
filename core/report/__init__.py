"""Finished runs as one HTML page that stands by itself."""
