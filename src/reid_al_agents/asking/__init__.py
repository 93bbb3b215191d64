"""Which question comes next."""
