"""A task that holds up the event loop until it is told to stop."""

import os
import time
from pathlib import Path

from pgqueue import PgQueue

app = PgQueue(os.environ["PGQUEUE_DSN"])


@app.task
async def blocks(until: str) -> None:
    """Wait for a file, as no coroutine should."""
    while not Path(until).exists():
        time.sleep(0.02)
