"""The environment of the real task: a right catalogue of identities after as few answers as possible."""
