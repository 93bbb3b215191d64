"""The default objective: images learn to be near the memory of their cluster."""
