"""From JSON text to a validated pipeline, and what follows from it alone. Light: no torch."""
