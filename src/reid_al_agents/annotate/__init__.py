"""Annotation sessions: people answer."""
