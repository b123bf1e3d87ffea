"""The conse encoder."""
