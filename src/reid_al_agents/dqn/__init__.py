"""Masked deep Q-learning: networks over the similarity graph, the learner, its files and SB3's adapter."""
