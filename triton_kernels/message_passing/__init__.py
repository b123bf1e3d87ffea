"""Messages over a sparse graph: products, normalisation, the operator."""
