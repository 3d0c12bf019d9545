"""What a worker counts of its events, and that names from data cannot make it large."""

from datetime import timedelta

from pgqueue.events import JobFinished, JobRescued, JobStarted, WorkerStopped
from pgqueue.metrics.reader import arranged
from pgqueue.metrics.tally import BOUNDS, MOST_PAIRS, OTHER, Histogram, Tally
from pgqueue.outcome import Dead, Failure, Outcome, Retrying, Succeeded

FAILURE = Failure("ValueError", "no", None, "0")


def started(queue: str = "q", task: str = "t", waited: float = 0.002) -> JobStarted:
    return JobStarted("w", 1, task, queue, 1, 3, waited, "{}")


def finished(outcome: Outcome, queue: str = "q", task: str = "t", ran: float = 0.2) -> JobFinished:
    return JobFinished("w", 1, task, queue, 1, 3, ran, outcome)


def test_counts_by_queue_task_and_outcome() -> None:
    tally = Tally()
    for event in (
        started(),
        finished(Succeeded()),
        started(waited=-1.0),  # the clocks of two machines differ
        finished(Retrying(timedelta(1), FAILURE), ran=2.0),
        finished(Dead(FAILURE), queue="other queue"),
        JobRescued("w", 1, "t", "q", "lost", "queued"),
        WorkerStopped("w", 1, 1, 1, 0),
    ):
        tally(event)
    cells = dict(tally.cells())
    assert set(cells) == {("q", "t"), ("other queue", "t")}
    assert cells["q", "t"].outcomes == {"Succeeded": 1, "Retrying": 1}
    assert cells["q", "t"].wait.total == 0.002
    assert cells["q", "t"].run.total == 2.2
    assert cells["other queue", "t"].outcomes == {"Dead": 1}
    assert tally.rescued == 1


def test_a_duration_lies_in_the_first_bucket_that_reaches_it() -> None:
    histogram = Histogram()
    for seconds in (0.0, BOUNDS[0], BOUNDS[0] + 1e-9, BOUNDS[-1], BOUNDS[-1] + 1):
        histogram.observe(seconds)
    assert histogram.counts == [2, 1, *[0] * (len(BOUNDS) - 3), 1, 1]


def test_ten_thousand_names_make_a_bounded_number_of_figures() -> None:
    tally = Tally()
    for number in range(10_000):
        tally(finished(Succeeded(), queue=f"q{number}"))
    cells = dict(tally.cells())
    assert len(cells) == MOST_PAIRS + 1
    assert cells[OTHER].outcomes["Succeeded"] == 10_000 - MOST_PAIRS
    assert sum(cell.outcomes["Succeeded"] for cell in cells.values()) == 10_000


def test_rows_become_values_by_label() -> None:
    rows: list[tuple[str, str | None, str | None, float]] = [
        ("jobs", "email", "queued", 3.0),
        ("jobs", "other", "queued", 2.0),
        ("jobs", None, "queued", 5.0),
        ("queue_oldest_ready_age_seconds", "other", None, 9.0),
        ("queue_oldest_ready_age_seconds", None, None, 4.0),
        ("schema_version", None, None, 1.0),
    ]
    assert arranged(rows) == {
        "jobs": {("email", "queued"): 3.0, ("other", "queued"): 7.0},
        "queue_oldest_ready_age_seconds": {("other",): 9.0},
        "schema_version": {(): 1.0},
    }
