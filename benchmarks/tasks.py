"""The tasks that are measured."""

from __future__ import annotations

from pgqueue import PgQueue

app = PgQueue()


@app.task
async def noop(to: str, subject: str) -> None:
    """Do nothing."""


ARGS = '{"to": "user1@example.com", "subject": "hello world number 1"}'
