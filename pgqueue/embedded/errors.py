"""What can go wrong between us and a private PostgreSQL server."""

from pgqueue.errors import PgqueueError


class EmbeddedServerError(PgqueueError):
    """A private server could not be found, made, started or stopped.

    The message says what failed, why, and what to do next.
    """
