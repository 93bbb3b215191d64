"""Scores of a ranking and of the identities formed."""
