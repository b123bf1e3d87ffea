"""From vectors to nodes, their graph, and the support set that queries attach to."""
