"""The one error that input from outside can cause."""


class InputError(ValueError):
    """Input that cannot be used: a file, a folder, an array or a setting.

    The message is one line that says what was found, where, what was expected and how to mend it; the
    command line prints it as it stands and exits with code 2.
    """
