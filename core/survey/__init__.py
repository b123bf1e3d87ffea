"""A look at what lies here: data that nobody has described yet, a first pipeline for it, what a spec needs stored."""
