"""How the pocket CLIP is trained, beside its weights."""
