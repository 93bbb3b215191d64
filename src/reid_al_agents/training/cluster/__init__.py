"""Training on clusters under constraints."""
