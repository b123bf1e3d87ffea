"""One run, from spec to run folder, and back.

The words that this code uses for one thing each:

    run       a pipeline from its spec to a run folder; made of trials, of which the best is saved
    trial     one combination of the values that a search lists; trained with every seed
    training  one seed of a trial; made of epochs, of which the best on the selection split is kept
    checkpoint  how far a training came, written between two steps; a run that was interrupted goes on from it
    epoch     every labelled item once, in batches
    stage     a step that is timed: dataset, describe, encode or read, graph, train, evaluate
    level     where the adapter works: on `features`, encoded once, or in `layers` of running towers
    engine    prepares, trains and scores at one level
    learner   what one training trains: a model, the loss of some items, the rank of an epoch
    tower     a frozen model as blocks; it stops where an adapter works, and towers meet at their stops
    pass      one way of an item through a tower; an item has several where it has segments or pictures
    support   the training items as nodes of their graph, which a trained model carries with it
    query     an item that training did not label; it attaches to the support, which stays as it is
"""
