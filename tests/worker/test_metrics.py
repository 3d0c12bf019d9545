"""What a worker tells Prometheus is what it did, and what the database says of the queues."""

import asyncio
import re
import shutil
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pgqueue import PgQueue, metrics
from pgqueue.metrics.catalogue import ALL, OF_THE_DATABASE
from pgqueue.metrics.reader import Reader
from pgqueue.metrics.tally import MOST_PAIRS
from tests.support.http import free_port, get
from tests.support.jobs import Connection, enqueue, expire, register, value
from tests.support.working import all_ended, soon, working

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="promtool is not installed (Debian: the package prometheus)"
)


def parsed(text: str) -> Samples:
    """Every sample by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


async def scrape(port: int) -> str:
    answer = await asyncio.to_thread(get, port, "/metrics")
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    return answer.body


@pytest.fixture
async def exposed(app: PgQueue, connection: Connection) -> str:
    """The metrics of a worker that has done some of everything."""

    @app.task(queue="email")
    async def works(secret: str = "") -> None: ...

    @app.task(max_attempts=1)
    async def fails() -> None:
        raise ValueError("no")

    connection.execute("SELECT pgqueue.put_schedule('nightly', 'works', cron => '0 3 * * *')")
    connection.execute("SELECT pgqueue.set_limit('queue:email', concurrency => 9)")
    lost = register(connection, name="lost")
    enqueue(connection, "fails", max_attempts=1)
    connection.execute("UPDATE pgqueue.job SET lease = 1, worker_id = %s", [lost])
    expire(connection, lost)
    port = free_port()
    for _ in range(3):
        works.enqueue(connection, "hunter2")
    fails.enqueue(connection)
    async with working(app, queues={"email": None, "default": None}, health_port=port):
        await all_ended(connection)
        return await scrape(port)


async def test_a_worker_tells_what_it_did(exposed: str) -> None:
    samples = parsed(exposed)
    finished = "pgqueue_jobs_finished_total"
    assert of(samples, finished, queue="email", task="works", outcome="succeeded") == 3
    assert of(samples, finished, queue="default", task="fails", outcome="dead") == 2
    for name in ("pgqueue_job_wait_seconds", "pgqueue_job_run_seconds"):
        assert of(samples, f"{name}_count", queue="email", task="works") == 3
        assert of(samples, f"{name}_bucket", queue="email", task="works", le="+Inf") == 3
    assert of(samples, "pgqueue_jobs_rescued_total", reason="worker_lost") == 1
    assert of(samples, "pgqueue_slots", state="free") == 20
    assert of(samples, "pgqueue_claim_seconds_count") >= 2
    assert of(samples, "pgqueue_database_up") == 1
    assert of(samples, "pgqueue_queue_workers", queue="email") == 1
    assert of(samples, "pgqueue_queue_limit", queue="email") == 9
    assert "hunter2" not in exposed


async def test_nothing_is_exposed_that_the_catalogue_does_not_have(exposed: str) -> None:
    """And all that it has is there, with its kind and its labels."""
    families = {family.name: family for family in text_string_to_metric_families(exposed)}
    known = {metric.full_name.removesuffix("_total"): metric for metric in ALL}
    absent = {"pgqueue_cron_last_success_timestamp_seconds"}  # nothing has succeeded at 3 o'clock
    assert set(families) == set(known) - absent
    for name, family in families.items():
        metric = known[name]
        assert (family.type, family.documentation) == (metric.kind, metric.text)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels)


@needs_promtool
async def test_promtool_has_nothing_to_say(exposed: str) -> None:
    assert PROMTOOL is not None
    told = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=exposed, capture_output=True, text=True
    )
    assert (told.returncode, told.stdout + told.stderr) == (0, "")


async def test_ten_thousand_random_names_make_a_bounded_number_of_series(
    app: PgQueue, connection: Connection
) -> None:
    """As names of queues in the database, and as names of queues that are served."""

    @app.task
    async def works() -> None: ...

    names = "generate_series(1, 10000) AS i"
    make = f"SELECT pgqueue.enqueue('works', queue => md5(i::text)) FROM {names}"
    connection.execute(make.encode())
    port = free_port()
    served = [f"q{number}" for number in range(MOST_PAIRS + 50)]
    for queue in served:
        works.using(queue=queue).enqueue(connection)
    async with working(app, queues=dict.fromkeys(served), health_port=port):
        query = "SELECT count(*) FROM pgqueue.job_done"
        await soon(lambda: value(connection, query) == len(served))
        text = await scrape(port)
    samples = parsed(text)
    queues = {dict(labels).get("queue") for _, labels in samples}
    assert len(queues - {None}) < 350
    others = {"queue": "other", "task": "other", "outcome": "succeeded"}
    assert of(samples, "pgqueue_jobs_finished_total", **others) == 50
    assert len(samples) < 10_000


def test_the_database_is_asked_once_in_a_while(dsn: str, connection: Connection) -> None:
    reader = Reader(dsn)
    first = reader.read()
    assert first["jobs"]["default", "queued"] == 0
    enqueue(connection)
    assert reader.read() is first
    assert Reader(dsn).read()["jobs"]["default", "queued"] == 1


def test_a_registry_of_the_database_alone(dsn: str, connection: Connection) -> None:
    """For a /metrics of one's own."""
    enqueue(connection, queue='a "quoted\nname')
    body, kind = metrics.exposition(metrics.database_registry(dsn))
    assert kind.startswith("text/plain")
    samples = parsed(body.decode())
    assert of(samples, "pgqueue_jobs", queue='a "quoted\nname', state="queued") == 1
    names = {re.sub("_total$", "", name) for name, _ in samples}
    assert names <= {f"pgqueue_{name}" for name in OF_THE_DATABASE} | {"pgqueue_build_info"}


def test_without_a_database_there_is_one_figure(caplog: pytest.LogCaptureFixture) -> None:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    body, _ = metrics.exposition(metrics.database_registry(nowhere))
    samples = parsed(body.decode())
    assert of(samples, "pgqueue_database_up") == 0
    assert {name for name, _ in samples} == {"pgqueue_database_up", "pgqueue_build_info"}
    assert "metrics: connection" in caplog.text


def test_an_old_schema_is_told_once(empty_dsn: str, caplog: pytest.LogCaptureFixture) -> None:
    reader = Reader(empty_dsn, every=0.0)
    assert reader.read() == reader.read() == {"database_up": {(): 0.0}}
    assert caplog.text.count('schema "pgqueue" does not exist') == 1
