"""The paper's objective: a triplet loss on the pairs known from answers."""
