"""What is promised of each kind of component, a module a kind."""
