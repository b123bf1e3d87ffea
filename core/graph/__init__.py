"""From vectors to nodes, their graph, and who hears whom."""
