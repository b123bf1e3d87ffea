"""Many runs beside each other: sweeps and comparisons."""
