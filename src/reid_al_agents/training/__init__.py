"""Turn answers into a better network: one training loop, with triplets or clusters as its objective."""
