"""What stands on disk, whole or not at all."""
