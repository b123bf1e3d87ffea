"""Published data sets in their own layout."""
