"""Errors that the user can correct: bad configs, bad data, unusable run folders."""


class InputError(Exception):
    """Bad input. The message has one or two lines: the place, what was found, what was expected.

    Command lines print the message without a traceback and exit with status 2.
    """


class ConfigError(InputError):
    """An unusable config file. The message names the file and the JSON path."""


class DataError(InputError):
    """An unreadable data or vector file. The message names the file and the line."""


class RunError(InputError):
    """A run folder that cannot be used for the requested purpose. The message names the folder."""
