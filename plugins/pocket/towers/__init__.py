"""How the pocket towers (AST, scene CLIP, ViLT) are trained, beside their weights."""
