"""The pocket world: shapes that sound, and its four tasks."""
