"""The kernels on a GPU: what can be known without one, and what a day with one decides.

`make evidence-compile` compiles every shipped configuration for cards that are not there. Nothing here is a measurement
on a GPU unless its page names the card.
"""
