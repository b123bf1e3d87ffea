"""A look at data that nobody has described yet: which data set reads it, and a first pipeline for it."""
