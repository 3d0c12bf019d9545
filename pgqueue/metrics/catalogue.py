"""Every metric by its name: what it is, its labels, what it says. The reference is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Metric:
    """`name` is without the prefix, and a counter's without `_total`."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    text: str

    @property
    def full_name(self) -> str:
        """As Prometheus shows it."""
        return f"pgqueue_{self.name}" + ("_total" if self.kind == "counter" else "")


OF_THE_WORKER = {
    metric.name: metric
    for metric in (
        Metric(
            "jobs_finished",
            "counter",
            ("queue", "task", "outcome"),
            "Attempts that ended in this process, by outcome: succeeded, retrying, dead, cancelled "
            "or snoozed.",
        ),
        Metric(
            "job_wait_seconds",
            "histogram",
            ("queue", "task"),
            "From when a job was due to the start of its attempt.",
        ),
        Metric(
            "job_run_seconds",
            "histogram",
            ("queue", "task"),
            "From the start of an attempt to its end.",
        ),
        Metric("slots", "gauge", ("state",), "Slots of this process: busy, stuck or free."),
        Metric(
            "jobs_rescued",
            "counter",
            ("reason",),
            "Jobs that this process took back from lost workers.",
        ),
        Metric("claim_seconds", "histogram", (), "How long the database took to answer a claim."),
    )
}
OF_THE_BUILD = Metric("build_info", "gauge", ("version",), "The release of pgqueue; always 1.")
OF_THE_DATABASE = {
    metric.name: metric
    for metric in (
        Metric(
            "jobs",
            "gauge",
            ("queue", "state"),
            "Jobs of a queue by state: queued, running, blocked, scheduled, retrying or dead. "
            "Counted up to 10000, with more than ten queues to their share of 100000.",
        ),
        Metric(
            "queue_oldest_ready_age_seconds",
            "gauge",
            ("queue",),
            "For how long the job at the head of the line has waited; 0 when none waits.",
        ),
        Metric("queue_paused", "gauge", ("queue",), "1 while the queue is paused, else 0."),
        Metric("queue_workers", "gauge", ("queue",), "Workers that take jobs of the queue."),
        Metric(
            "queue_limit",
            "gauge",
            ("queue",),
            "How many jobs of the queue may run at once over all workers, where a limit says so.",
        ),
        Metric(
            "cron_next_tick_timestamp_seconds",
            "gauge",
            ("schedule",),
            "When an active schedule ticks next. In the past: nobody ticks it.",
        ),
        Metric(
            "cron_last_success_timestamp_seconds",
            "gauge",
            ("schedule",),
            "When a job of one of the last ten ticks succeeded last, where such jobs are kept.",
        ),
        Metric(
            "table_dead_tuples",
            "gauge",
            ("table",),
            "Dead rows of a table that vacuum has not removed yet.",
        ),
        Metric("schema_version", "gauge", (), "The version of the schema pgqueue."),
        Metric("database_up", "gauge", (), "1 when the database answered the last time, else 0."),
    )
}
ALL = (*OF_THE_WORKER.values(), OF_THE_BUILD, *OF_THE_DATABASE.values())
