"""The error raised for input that cannot be used."""


class InputError(ValueError):
    """A file, folder, array or setting that cannot be used.

    The message is one line: what was found, where, what was expected, and what to do. The command line prints
    it unchanged and exits with code 2.
    """
