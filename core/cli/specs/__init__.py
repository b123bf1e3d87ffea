"""Commands about a spec: what it says, what it would do, what it depends on."""
