"""From items to descriptions and vectors, each content once; and what a plan says of them."""
