"""Errors that are the user's to mend: bad configs, bad data, unusable run folders."""

__all__ = ["ConfigError", "DataError", "InputError", "RunError"]


class InputError(Exception):
    """Bad input. The message is one or two lines: the place, what was found, what was expected.

    Command lines print it without a traceback and end with status 2.
    """


class ConfigError(InputError):
    """A config file that cannot be used; the message names the file and the JSON path."""


class DataError(InputError):
    """A data or vector file that cannot be read; the message names the file and the line."""


class RunError(InputError):
    """A run folder that cannot be used as asked; the message names the folder."""
