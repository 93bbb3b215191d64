"""What answers say: oracles, must- and cannot-links, disputes and their minimum cuts."""
