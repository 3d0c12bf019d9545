"""Claims start behind what is settled: dead rows that nobody can remove cost them nothing."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from pgqueue.worker import watermark
from tests.support import claim_one, complete, enqueue, expire, register, rescue, value
from tests.support.jobs import Row
from tests.support.scanning import Scanner

Connection = psycopg.Connection[Any]
Connect = Callable[..., Connection]
DEAD = 20_000
FEW = 150
"""Pages: about twice what a claim of ten jobs touches, with 21 priorities to look at. From the
beginning it is some 1,800.
"""
FILL = """
    INSERT INTO pgqueue.job (task, priority)
    SELECT 't', n %% 3 FROM generate_series(1, %s) AS n
"""


@pytest.fixture
def scanner(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> Scanner:
    """A claimer that never scans fully but at first."""
    monkeypatch.setattr(watermark, "FULL_SCAN", float("inf"))
    scanner = Scanner(connection, register(connection))
    assert scanner.claim(10) == []
    return scanner


@pytest.fixture
def writer(connect: Connect) -> Callable[[], Connection]:
    """Begins transactions that have an id, and stay open until they are told to commit."""

    def begin() -> Connection:
        writer = connect()
        writer.execute("BEGIN")
        writer.execute("SELECT pg_current_xact_id()")
        return writer

    return begin


def churn(scanner: Scanner, jobs: int) -> None:
    """Jobs come and go, and leave their dead."""
    scanner.connection.execute(FILL, [jobs])
    assert scanner.work_off() == jobs


def test_dead_rows_under_a_held_snapshot_are_walked_over_once(
    connection: Connection, connect: Connect, scanner: Scanner
) -> None:
    holder = connect(autocommit=False)
    holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    holder.execute("SELECT count(*) FROM pgqueue.job")
    churn(scanner, DEAD)
    for _ in range(10):
        enqueue(connection)
    assert scanner.cost_of_claim(10).buffers < FEW
    assert scanner.cost_of_claim(10, from_the_beginning=True).buffers > 6 * FEW
    assert len(scanner.claim(10)) == 10


@pytest.mark.parametrize("patience", [watermark.PATIENCE, float("inf")])
def test_an_open_writer_is_passed_after_a_moment(
    connection: Connection,
    scanner: Scanner,
    writer: Callable[[], Connection],
    monkeypatch: pytest.MonkeyPatch,
    patience: float,
) -> None:
    usual = watermark.PATIENCE
    monkeypatch.setattr(watermark, "PATIENCE", patience)
    writer()
    churn(scanner, 100)
    scanner.now += usual
    churn(scanner, DEAD)
    for _ in range(10):
        enqueue(connection)
    found = scanner.cost_of_claim(10).buffers
    assert (found < FEW) is (patience == usual), found


@pytest.mark.parametrize("older", [False, True], ids=["alone", "an older one stays open"])
@pytest.mark.parametrize("priorities", [(0,), (5, 0, -5)])
def test_what_a_passed_writer_left_is_claimed_by_the_next_two_scans(
    connection: Connection,
    scanner: Scanner,
    writer: Callable[[], Connection],
    older: bool,
    priorities: tuple[int, ...],
) -> None:
    if older:
        writer()
    late = writer()
    expected = {enqueue(late, priority=priority) for priority in priorities for _ in range(5)}
    churn(scanner, 100)
    scanner.now += watermark.PATIENCE
    churn(scanner, 500)
    expected |= {enqueue(late, priority=priority) for priority in priorities}
    late.execute("COMMIT")
    claimed = scanner.claim(100) + scanner.claim(100)
    assert {found["id"] for found in claimed} == expected
    assert complete(connection, *claimed) == len(expected)
    assert scanner.claim(100) == scanner.claim(100) == []
    assert scanner.cost_of_claim(10).buffers < FEW


def test_writers_that_end_in_any_order_lose_nothing(
    connection: Connection, scanner: Scanner, writer: Callable[[], Connection]
) -> None:
    """Six of them, passed at different times; one rolls back."""
    writers: list[tuple[Connection, int]] = []
    for number in range(6):
        opened = writer()
        writers.append((opened, enqueue(opened, priority=number % 3)))
        churn(scanner, 30)
        scanner.now += watermark.PATIENCE * 0.6
    for number in (3, 0, 5, 2, 4, 1):
        opened, id = writers[number]
        opened.execute("ROLLBACK" if number == 2 else "COMMIT")
        claimed: list[Row] = scanner.claim(100) + scanner.claim(100)
        assert [found["id"] for found in claimed] == ([] if number == 2 else [id])
        complete(connection, *claimed)
        churn(scanner, 30)


def test_writers_that_end_together_are_both_looked_for(
    connection: Connection, scanner: Scanner, writer: Callable[[], Connection]
) -> None:
    """One look back is for all of them, so it begins at the oldest."""
    first, second = writer(), writer()
    expected = {enqueue(first), enqueue(second)}
    churn(scanner, 30)
    scanner.now += watermark.PATIENCE
    churn(scanner, 30)
    second.execute("COMMIT")
    first.execute("COMMIT")
    claimed = scanner.claim(100) + scanner.claim(100)
    assert {found["id"] for found in claimed} == expected


@pytest.mark.parametrize("way", ["release", "rescue"])
def test_a_job_that_comes_back_to_an_old_place_is_found_by_the_scan_after_next(
    connection: Connection, scanner: Scanner, way: str
) -> None:
    id = enqueue(connection)
    worker = register(connection)
    claimed = claim_one(connection, worker)
    churn(scanner, 30)
    if way == "release":
        release = "SELECT pgqueue.release(ARRAY[%s::bigint], ARRAY[%s::bigint])"
        assert value(connection, release, id, claimed["lease"]) == 1
    else:
        expire(connection, worker)
        assert len(rescue(connection)) == 1
    found = scanner.claim(100) + scanner.claim(100)
    assert [job["id"] for job in found] == [id]


def test_retries_and_snoozed_jobs_come_back_to_a_new_place(
    connection: Connection, scanner: Scanner
) -> None:
    enqueue(connection)
    enqueue(connection)
    failed, snoozed = scanner.claim(2)
    churn(scanner, 30)
    for query, job in (
        ("SELECT pgqueue.fail(%s, %s, '0 s', 'E', 'm')", failed),
        ("SELECT pgqueue.snooze(%s, %s, '0 s')", snoozed),
    ):
        connection.execute(query.encode(), [job["id"], job["lease"]])
        connection.execute("SELECT pgqueue.promote()")
        assert [found["id"] for found in scanner.claim(100)] == [job["id"]]
