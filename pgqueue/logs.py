"""Puts the running job into log records, whoever writes them: a filter for the standard library and
a processor for structlog.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from .running import current

FIELDS = ("job_id", "task", "queue", "attempt")


def job_fields() -> dict[str, Any]:
    """What identifies the job that runs here: `job_id`, `task`, `queue`, `attempt`, and `trace_id`
    when it is traced. Nothing where no job runs.
    """
    job = current.get(None)
    if job is None:
        return {}
    fields = dict(zip(FIELDS, (job.id, job.task, job.queue, job.attempt), strict=True))
    if job.trace_id is not None:
        fields["trace_id"] = job.trace_id
    return fields


class JobFilter(logging.Filter):
    """Adds the fields to every record, as None where no job runs, so that a format may name them.
    Add it to a handler: `handler.addFilter(JobFilter())`. What a record has already stays.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        found = job_fields()
        for name in (*FIELDS, "trace_id"):
            if not hasattr(record, name):
                setattr(record, name, found.get(name))
        return True


def add_job(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """A processor for structlog: `structlog.configure(processors=[add_job, …])`."""
    for name, value in job_fields().items():
        event.setdefault(name, value)
    return event
