"""Folders of your own pictures and sounds."""
