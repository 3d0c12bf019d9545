"""The demo's check: after a real performance, every sabotage of the database is found."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from pytest_postgresql.executors import NoopExecutor

from pgqueue.cli.demonstration.check import count_directly, judge
from pgqueue.cli.demonstration.corpus import read_corpus
from pgqueue.cli.demonstration.evidence import read_evidence
from pgqueue.cli.demonstration.plan import plan
from pgqueue.cli.demonstration.screen import Screen
from pgqueue.cli.demonstration.story import Course, Story
from pgqueue.cli.demonstration.tasks import TABLES
from tests.support.python_files import write_corpus
from tests.support.server import Server

Connection = psycopg.Connection[Any]


@pytest.fixture(scope="module")
def performed(
    server: Server, migrated_template: NoopExecutor, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Course]]:
    """A database after a performance."""
    folder = write_corpus(tmp_path_factory.mktemp("performed") / "corpus")
    told = (tmp_path_factory.mktemp("performed") / "told").open("w", encoding="utf-8")
    with told, server.database(template=migrated_template.template_dbname) as dsn:
        with psycopg.connect(dsn) as connection:
            connection.execute(TABLES)
        planned = plan(read_corpus([folder]).documents)
        yield dsn, Story(dsn, planned, Screen(told, color=False, quiet=False)).perform()


def broken_promises(
    performed: tuple[str, Course], sabotage: Callable[[Connection, Course], object]
) -> set[str]:
    """What the check finds after the sabotage, which is rolled back."""
    dsn, course = performed
    direct = count_directly(course.ledger.committed)
    with psycopg.connect(dsn) as connection:
        sabotage(connection, course)
        findings = judge(course, direct, read_evidence(connection))
        connection.rollback()
    return {finding.promise for finding in findings if not finding.holds}


@pytest.mark.slow
def test_without_sabotage_every_promise_holds(performed: tuple[str, Course]) -> None:
    assert broken_promises(performed, lambda *_: None) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sabotage", "broken"),
    [
        (
            "INSERT INTO document_index SELECT * FROM document_index LIMIT 1",
            {"0 doubled"},
        ),
        (
            "DELETE FROM document_index WHERE document_id = (SELECT min(document_id) "
            "FROM document_index)",
            {"0 lost"},
        ),
        (
            "UPDATE document_index SET words = words + 1 WHERE document_id = "
            "(SELECT max(document_id) FROM document_index)",
            {"every result equal"},
        ),
        (
            "UPDATE document_index SET names = 0 WHERE names IS NULL",
            {"every result equal"},
        ),
        (
            "DELETE FROM pgqueue.job_done WHERE id = (SELECT min(id) FROM pgqueue.job_done)",
            {"committed = finished"},
        ),
        (
            "DELETE FROM document WHERE id = (SELECT min(id) FROM document)",
            {"committed = finished"},
        ),
        (
            "SELECT pgqueue.enqueue('index_document', '{\"document_id\": 1}')",
            {"committed = finished"},
        ),
        (
            "UPDATE pgqueue.job_done d SET worker_id = f.worker_id FROM pgqueue.failure f "
            "WHERE f.job_id = d.id AND f.error_type = 'WorkerLost'",
            {"killed, and rescued"},
        ),
    ],
)
def test_sabotage_is_found(performed: tuple[str, Course], sabotage: str, broken: set[str]) -> None:
    def change(connection: Connection, _: Course) -> None:
        assert connection.execute(sabotage.encode()).rowcount > 0

    assert broken_promises(performed, change) == broken


@pytest.mark.slow
def test_failures_that_nobody_recorded_are_found(performed: tuple[str, Course]) -> None:
    """A job that failed at first may have lost its worker as well: all its failures go."""

    def change(connection: Connection, _: Course) -> None:
        connection.execute(
            "DELETE FROM pgqueue.failure WHERE job_id IN "
            "(SELECT job_id FROM pgqueue.failure WHERE error_type LIKE '%BusyDisk')"
        )

    found = broken_promises(performed, change)
    assert "failures tried again" in found
    assert found <= {"failures tried again", "killed, and rescued"}


@pytest.mark.slow
def test_work_for_what_was_rolled_back_is_found(performed: tuple[str, Course]) -> None:
    def change(connection: Connection, course: Course) -> None:
        ghost = course.ledger.rolled_back[0]
        connection.execute(
            "INSERT INTO document_index VALUES (%s, %s, 1, 1, 1)",
            [ghost.document_id, ghost.job_id],
        )

    broken = broken_promises(performed, change)
    assert broken == {"rolled back never ran", "every result equal"}
