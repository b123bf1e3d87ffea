"""What flows between stages: items, media, tokens, layouts, predictions."""
