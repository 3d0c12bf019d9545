"""Why a database was left as it is, and what to do about it."""


class MigrationError(Exception):
    """The schema was not changed; the message says why and what to do next."""
