"""Training on triplets, as in the paper."""
