"""What a pipeline is and how it runs: specs, roles, stages, store, training, results, command line."""
