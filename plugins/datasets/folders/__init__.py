"""Folders of your own pictures, clips and sounds."""
