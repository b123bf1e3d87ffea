"""The timm encoder."""
