"""The application whose schedulers are killed."""

import os

from pgqueue import PgQueue, Schedule

app = PgQueue(os.environ.get("PGQUEUE_DSN"))


@app.task(schedule=Schedule(cron="* * * * * *", missed="all", most_missed=1000))
async def every_second() -> None:
    """Nothing but a tick."""
