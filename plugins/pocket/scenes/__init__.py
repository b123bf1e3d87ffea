"""The pictures that the pocket CLIP and the pocket LLaVA are trained on."""
