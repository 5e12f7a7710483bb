"""Errors of fetch_data.sh, each one sentence for the user."""


class CannotRun(Exception):
    """A client, the network, space on the disk or the like is missing: exit code 2."""


class Failed(Exception):
    """A download or its conversion is not what it should be: exit code 1."""
