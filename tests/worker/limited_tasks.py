"""Tasks that write down, each in transactions of its own, from when to when they ran."""

import asyncio
import contextlib
import os
from datetime import timedelta

from pgqueue import Fixed, PgQueue, current_job

app = PgQueue(os.environ.get("PGQUEUE_DSN"))
SPELLS = """
    CREATE TABLE spell (
        job_id bigint, buckets text[], pid integer, begun timestamptz DEFAULT clock_timestamp(),
        ended timestamptz
    )
"""


@app.task(retry=Fixed(timedelta(milliseconds=10)))
async def spell(buckets: list[str], seconds: float = 0.01, failures: int = 0) -> None:
    """Run for so long; so many attempts fail."""
    job = current_job()
    begin = "INSERT INTO spell (job_id, buckets, pid) VALUES (%s, %s, %s)"
    async with app.connection_async() as connection:
        await connection.execute(begin, [job.id, buckets, os.getpid()])
    try:
        await asyncio.sleep(seconds)
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            async with app.connection_async() as connection:
                end = (
                    "UPDATE spell SET ended = clock_timestamp() WHERE job_id = %s AND ended IS NULL"
                )
                await connection.execute(end, [job.id])
    if job.attempt <= failures:
        raise ValueError("as told")
