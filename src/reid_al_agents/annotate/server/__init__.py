"""The annotation page: HTTP over a live session."""
