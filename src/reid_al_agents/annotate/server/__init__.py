"""The annotation page: a web server over a session."""
