"""Common parts of all command lines: error messages, exit statuses, arguments, the process environment."""
