"""Why nothing was measured."""

from __future__ import annotations

from pgqueue.errors import PgqueueError


class BenchmarkError(PgqueueError):
    """A measurement could not begin, or counts for nothing. A line `Hint:` says what to do."""
