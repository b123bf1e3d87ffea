"""Items of any task, a JSON object a line."""
