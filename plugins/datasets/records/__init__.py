"""Records of other libraries: datasets, WebDataset shards."""
