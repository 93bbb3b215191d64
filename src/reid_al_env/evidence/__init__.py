"""Oracles, and the must-links and cannot-links that follow from their answers."""
