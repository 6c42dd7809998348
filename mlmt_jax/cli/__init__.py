"""The common parts of all command lines: errors, exit statuses, arguments, the process environment."""
