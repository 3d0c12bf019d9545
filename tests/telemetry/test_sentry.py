"""What reaches Sentry: dead jobs as issues, traces with the queue's figures, check-ins."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from pgqueue import Cancel, Fixed, PgQueue, sentry
from tests.support.jobs import Connection, enqueue
from tests.support.working import all_ended, working

SOON = Fixed(timedelta(milliseconds=10))


class Collecting(Transport):
    """Keeps what would be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.envelopes: list[Envelope] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.envelopes.append(envelope)

    def of(self, kind: str) -> list[Any]:
        """The payloads of one type, in order."""
        return [
            json.loads(item.get_bytes())
            for envelope in self.envelopes
            for item in envelope.items
            if item.type == kind
        ]


@pytest.fixture
def sent() -> Iterator[Collecting]:
    transport = Collecting()
    with sentry_sdk.isolation_scope():
        sentry_sdk.init(
            "https://key@example.invalid/1",
            transport=transport,
            traces_sample_rate=1.0,
            auto_enabling_integrations=False,
            default_integrations=False,
        )
        yield transport
        sentry_sdk.get_client().close()
        sentry_sdk.get_global_scope().set_client(None)


async def test_only_the_dead_are_issues(
    app: PgQueue, connection: Connection, sent: Collecting
) -> None:
    sentry.instrument(app)

    @app.task(max_attempts=2, retry=SOON)
    def fails(secret: str) -> None:
        raise ValueError("card declined")

    @app.task
    def cancels() -> None:
        raise Cancel("no longer wanted")

    fails.enqueue(connection, "hunter2")
    cancels.enqueue(connection)
    async with working(app):
        await all_ended(connection)
    (issue,) = sent.of("event")
    (error,) = issue["exception"]["values"]
    assert (error["type"], error["value"]) == ("ValueError", "card declined")
    assert error["mechanism"]["type"] == "pgqueue"
    assert error["stacktrace"]["frames"][-1]["function"] == "fails"
    assert issue["tags"] == {"pgqueue.queue": "default", "pgqueue.task": "fails"}
    assert issue["contexts"]["pgqueue"]["attempt"] == 2
    assert "hunter2" not in str([sent.of(kind) for kind in ("event", "transaction")])


async def test_every_failed_attempt_where_asked(
    app: PgQueue, connection: Connection, sent: Collecting
) -> None:
    sentry.instrument(app, errors="all")

    @app.task(max_attempts=2, retry=SOON)
    async def fails() -> None:
        raise ValueError("no")

    fails.enqueue(connection)
    async with working(app):
        await all_ended(connection)
    assert [issue["contexts"]["pgqueue"]["attempt"] for issue in sent.of("event")] == [1, 2]


async def test_a_job_that_dies_of_its_arguments_is_an_issue_too(
    app: PgQueue, connection: Connection, sent: Collecting
) -> None:
    """Nothing was raised in the task: the failure is known as text."""
    sentry.instrument(app)

    @app.task
    async def works(number: int) -> None: ...

    enqueue(connection, "works", args={"number": "x"})
    async with working(app):
        await all_ended(connection)
    (issue,) = sent.of("event")
    assert issue["exception"]["values"][0]["type"].endswith("InvalidArguments")


async def test_one_trace_from_publishing_to_processing(
    app: PgQueue, connection: Connection, sent: Collecting
) -> None:
    sentry.instrument(app)

    @app.task(queue="email")
    def works() -> None: ...

    with sentry_sdk.start_transaction(op="http.server", name="POST /orders"):
        job = works.enqueue(connection)
        app.enqueue_many(connection, [works.job()])
    async with working(app, queues={"email": None}):
        await all_ended(connection)
    request, *attempts = sent.of("transaction")
    publish, many = request["spans"]
    assert (publish["op"], publish["description"]) == ("queue.publish", "works")
    assert publish["data"]["messaging.message.id"] == str(job.id)
    assert publish["data"]["messaging.destination.name"] == "email"
    assert many["op"] == "queue.publish"
    assert len(attempts) == 2
    for attempt in attempts:
        assert attempt["contexts"]["trace"]["trace_id"] == request["contexts"]["trace"]["trace_id"]
        (process,) = attempt["spans"]
        assert process["op"] == "queue.process"
        assert process["data"]["messaging.message.retry.count"] == 0
        assert process["data"]["messaging.message.receive.latency"] >= 0
    parents = [attempt["contexts"]["trace"]["parent_span_id"] for attempt in attempts]
    assert sorted(parents) == sorted([publish["span_id"], many["span_id"]])


async def test_schedules_check_in(app: PgQueue, connection: Connection, sent: Collecting) -> None:
    sentry.instrument(app)

    @app.task(cron="0 3 * * *", timezone="Europe/Warsaw", max_attempts=2, retry=SOON)
    async def nightly() -> None:
        if not failed:
            failed.append(True)
            raise ValueError("the first time")

    @app.task(max_attempts=1)
    async def breaks() -> None:
        raise ValueError("no")

    failed: list[bool] = []
    connection.execute("SELECT pgqueue.put_schedule('nightly', 'nightly', cron => '0 3 * * *')")
    connection.execute(
        "SELECT pgqueue.put_schedule('At Noon', 'breaks', every => '1 day', max_attempts => 1)"
    )
    connection.execute("SELECT pgqueue.run_schedule('nightly'), pgqueue.run_schedule('At Noon')")
    async with working(app, schedules=False):
        await all_ended(connection)
    told = sent.of("check_in")
    nightly_told = [one for one in told if one["monitor_slug"] == "nightly"]
    assert [one["status"] for one in nightly_told] == ["in_progress", "in_progress", "ok"]
    assert len({one["check_in_id"] for one in nightly_told}) == 1
    assert nightly_told[0]["monitor_config"] == {
        "schedule": {"type": "crontab", "value": "0 3 * * *"},
        "timezone": "Europe/Warsaw",
    }
    noon = [one for one in told if one["monitor_slug"] == "at-noon"]
    assert [one["status"] for one in noon] == ["in_progress", "error"]
    assert "monitor_config" not in noon[0]


async def test_before_init_nothing_happens(app: PgQueue, connection: Connection) -> None:
    sentry.instrument(app)

    @app.task(max_attempts=1)
    def fails() -> None:
        raise ValueError("no")

    job = fails.enqueue(connection)
    async with working(app):
        await all_ended(connection)
    record = job.get(connection)
    assert (record.state, record.meta) == ("dead", None)


async def test_what_is_redacted_stays_here(
    app: PgQueue, connection: Connection, sent: Collecting
) -> None:
    sentry.instrument(app)

    @app.task(max_attempts=1, redact=["card"])
    def charge(card: str) -> None:
        try:
            raise KeyError(card)
        except KeyError as error:
            raise ValueError(f"card {card} declined") from error

    charge.enqueue(connection, "42" * 8)  # written out it would be a line of the source
    async with working(app):
        await all_ended(connection)
    (issue,) = sent.of("event")
    assert "4242" not in json.dumps(issue)
    assert issue["exception"]["values"][-1]["value"] == "card ••• declined"
