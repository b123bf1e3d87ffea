"""The pocket world: shapes that sound, and its tasks."""
