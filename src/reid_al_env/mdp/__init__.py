"""The paper's Markov decision process: its specification, and the fast implementation of each part."""
