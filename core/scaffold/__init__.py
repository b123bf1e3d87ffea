"""What `graftwork plugin new` writes."""
