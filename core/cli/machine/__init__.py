"""Commands about this machine: what is installed, how fast it is, what is stored."""
