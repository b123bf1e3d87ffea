"""The open_clip encoder."""
