"""Whether the queue kept its promises: the rows, against what was committed and a direct count."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from ..output import count_of, text_of_seconds
from .counting import Counts, count
from .evidence import Evidence, FailureRow
from .plan import Trouble
from .producer import Entry, Ledger
from .story import Course, Killed


@dataclass(frozen=True, slots=True)
class Finding:
    """One promise, what was found, and what speaks against it."""

    promise: str
    found: str
    problems: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True)
class Rescue:
    """What became of the jobs that the killed worker held."""

    worker: str
    jobs: int
    after: timedelta | None


def count_directly(entries: Iterable[Entry]) -> dict[int, Counts]:
    """The right results by document, from the files as they were read, without any queue."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {entry.document_id: count(entry.planned.document.text) for entry in entries}


def judge(course: Course, direct: Mapping[int, Counts], evidence: Evidence) -> list[Finding]:
    """Compare what was committed and counted with what the database says."""
    ledger = course.ledger
    return [
        _finished(ledger, evidence),
        _rolled_back(ledger, evidence),
        _equal(ledger, direct, evidence),
        _lost(ledger, evidence),
        _doubled(ledger, evidence),
        _retried(ledger, evidence),
        _rescued(course.killed, evidence),
        _stopped(course),
    ]


def measure_rescue(killed: Killed, evidence: Evidence) -> Rescue:
    """From the SIGKILL to the moment when the last of its jobs was taken over."""
    taken = _taken_from(killed, evidence)
    last = max((failure.failed_at for failure in taken), default=None)
    return Rescue(killed.name, len(taken), None if last is None else last - killed.at)


def _taken_from(killed: Killed, evidence: Evidence) -> list[FailureRow]:
    return [
        failure
        for failure in evidence.failures
        if failure.error_type == "WorkerLost" and failure.worker_id == killed.worker_id
    ]


def _finished(ledger: Ledger, evidence: Evidence) -> Finding:
    ends: Counter[str] = Counter()
    problems = []
    for entry in ledger.committed:
        job = evidence.jobs.get(entry.job_id)
        expected = "dead" if entry.planned.trouble is Trouble.ALWAYS else "succeeded"
        ends[job.state if job else "missing"] += 1
        if job is None or job.state != expected:
            state = job.state if job else "missing"
            problems.append(f"{_name(entry)} is {state}, not {expected}")
        if entry.document_id not in evidence.documents:
            problems.append(f"{_name(entry)} has no document")
    known = {entry.job_id for entry in (*ledger.committed, *ledger.rolled_back)}
    problems += [f"job #{id} was enqueued by nobody" for id in evidence.jobs if id not in known]
    finished = ends["succeeded"] + ends["dead"]
    found = (
        f"{len(ledger.committed):,} committed, {finished:,} finished: "
        f"{ends['succeeded']:,} succeeded, {ends['dead']:,} dead on purpose"
    )
    return Finding("committed = finished", found, tuple(problems))


def _rolled_back(ledger: Ledger, evidence: Evidence) -> Finding:
    ran = {failure.job_id for failure in evidence.failures}
    ran |= {result.job_id for result in evidence.results}
    written = evidence.documents | {result.document_id for result in evidence.results}
    problems = [
        f"{_name(entry)} was rolled back, and there is something of it"
        for entry in ledger.rolled_back
        if entry.job_id in evidence.jobs or entry.job_id in ran or entry.document_id in written
    ]
    transactions = count_of(len(ledger.rolled_back), "transaction")
    return Finding("rolled back never ran", f"{transactions} left no trace", tuple(problems))


def _equal(ledger: Ledger, direct: Mapping[int, Counts], evidence: Evidence) -> Finding:
    names = {entry.document_id: _name(entry) for entry in ledger.committed}
    jobs = {entry.document_id: entry.job_id for entry in ledger.committed}
    problems = []
    for result in evidence.results:
        right = direct.get(result.document_id)
        if right is None:
            problems.append(f"document {result.document_id} was committed by nobody")
        elif result.counts != right:
            problems.append(f"{names[result.document_id]}: {result.counts}, directly {right}")
        elif result.job_id != jobs[result.document_id]:
            problems.append(f"{names[result.document_id]} was indexed by job #{result.job_id}")
    lines, words, names_used = (
        sum(result.counts[column] or 0 for result in evidence.results) for column in range(3)
    )
    found = (
        f"{len(evidence.results):,} as counted without the queue: "
        f"{lines:,} lines, {words:,} words, {names_used:,} names"
    )
    return Finding("every result equal", found, tuple(problems))


def _lost(ledger: Ledger, evidence: Evidence) -> Finding:
    present = {result.document_id for result in evidence.results}
    problems = [
        f"{_name(entry)} has no result"
        for entry in ledger.committed
        if entry.planned.trouble is not Trouble.ALWAYS and entry.document_id not in present
    ]
    return Finding("0 lost", "no committed document is without its result", tuple(problems))


def _doubled(ledger: Ledger, evidence: Evidence) -> Finding:
    results = Counter(result.document_id for result in evidence.results)
    problems = []
    for entry in ledger.committed:
        right = 0 if entry.planned.trouble is Trouble.ALWAYS else 1
        if results[entry.document_id] > right:
            problems.append(f"{_name(entry)} has {results[entry.document_id]} results, not {right}")
    return Finding("0 doubled", "no document has a second result", tuple(problems))


def _retried(ledger: Ledger, evidence: Evidence) -> Finding:
    failed = {failure.job_id for failure in evidence.failures}
    fragile = [entry for entry in ledger.committed if entry.planned.trouble is Trouble.AT_FIRST]
    problems = [f"{_name(e)} has no failed attempt" for e in fragile if e.job_id not in failed]
    found = f"{count_of(len(fragile), 'job')} failed at first on purpose, and ran again"
    return Finding("failures tried again", found, tuple(problems))


def _rescued(killed: Killed | None, evidence: Evidence) -> Finding:
    if killed is None:
        return Finding("killed, and rescued", "", ("no worker was killed",))
    problems = []
    for id in sorted({failure.job_id for failure in _taken_from(killed, evidence)}):
        job = evidence.jobs.get(id)
        if job is None or job.state not in ("succeeded", "dead"):
            problems.append(f"job #{id} was rescued and did not finish")
        elif job.worker_id == killed.worker_id:
            problems.append(f"job #{id} was finished by {killed.name}, which was dead")
    return Finding("killed, and rescued", _tell(measure_rescue(killed, evidence)), tuple(problems))


def _tell(rescue: Rescue) -> str:
    if rescue.after is None:
        return f"{rescue.worker} happened to hold no job when it was killed: nothing to rescue"
    jobs = count_of(rescue.jobs, "job")
    after = text_of_seconds(rescue.after.total_seconds())
    return f"{jobs} of {rescue.worker} rescued {after} after the SIGKILL, finished by others"


def _stopped(course: Course) -> Finding:
    problems = [
        f"{each.name} did not end in time"
        if each.code is None
        else f"{each.name} ended with exit code {each.code}; it said:\n{each.last_words}"
        for each in course.exits
        if each.code != 0
    ]
    stopped = count_of(len(course.exits), "worker")
    return Finding("stopped as asked", f"{stopped} ended by SIGTERM, exit code 0", tuple(problems))


def _name(entry: Entry) -> str:
    return f"job #{entry.job_id} ({entry.planned.document.path})"
