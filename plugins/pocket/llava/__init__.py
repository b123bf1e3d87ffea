"""How the pocket LLaVA is trained, beside its weights."""
