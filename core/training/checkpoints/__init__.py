"""How far a training came, on disk: written between steps, whole or not at all, and gone on with to the same bits."""
