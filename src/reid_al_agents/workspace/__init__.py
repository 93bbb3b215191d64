"""A folder on disk that holds a run or a session: settings, data, model and log."""
