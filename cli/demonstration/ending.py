"""What is told at the end: the findings, what went dead, and what to type next."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..dev import quoted
from .check import Finding, measure_rescue
from .corpus import Corpus
from .evidence import Evidence, JobRow
from .place import Place
from .screen import Screen
from .story import Course

MOST_SHOWN = 5
MEND = "UPDATE document SET trouble = NULL"
QUALIFIER = re.compile(r"^(\w+\.)+")
"""The module of an error's class: people know which application they look at."""
APP = "pgqueue.cli.demonstration.tasks:app"


@dataclass(frozen=True, slots=True)
class Ending:
    """Everything that is known when the demo is over."""

    place: Place
    is_kept: bool
    corpus: Corpus
    course: Course
    evidence: Evidence
    findings: Sequence[Finding]
    seconds: dict[str, float]

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        return all(finding.holds for finding in self.findings)

    @property
    def dead(self) -> list[tuple[JobRow, str]]:
        """The dead jobs, each with the name of its document."""
        paths = {
            entry.job_id: entry.planned.document.path for entry in self.course.ledger.committed
        }
        jobs = sorted(self.evidence.jobs.values(), key=lambda job: job.id)
        return [(job, paths.get(job.id, "?")) for job in jobs if job.state == "dead"]


def tell(ending: Ending, screen: Screen) -> None:
    """For people."""
    screen.line()
    for finding in ending.findings:
        (screen.done if finding.holds else screen.failed)(f"{finding.promise:<24}{finding.found}")
        for problem in finding.problems[:MOST_SHOWN]:
            screen.line(f"      {problem}", style="red")
        if len(finding.problems) > MOST_SHOWN:
            screen.line(f"      and {len(finding.problems) - MOST_SHOWN:,} more", style="red")
    _tell_dead(ending, screen)
    if ending.is_kept:
        _tell_next(ending, screen)
    total = ending.seconds["total"]
    verdict = "Every promise was kept" if ending.holds else "NOT every promise was kept"
    screen.line(f"\n{verdict}, in {total:.1f} s.", style="bold" if ending.holds else "bold red")


def _tell_dead(ending: Ending, screen: Screen) -> None:
    dead = ending.dead
    if not dead:
        return
    screen.line("\nDead after their last attempt:")
    for job, path in dead[:MOST_SHOWN]:
        reason = QUALIFIER.sub("", job.reason or "")
        screen.line(f"  #{job.id:<5} {path}   {job.attempt} attempts   {reason}")
    if len(dead) > MOST_SHOWN:
        screen.line(f"  and {len(dead) - MOST_SHOWN:,} more")
    id = dead[0][0].id
    screen.line(f"  How to look: pgqueue jobs show {id}")
    query = f"SELECT * FROM pgqueue.failures WHERE job_id = {id}"  # noqa: S608 - shown, not run
    screen.line(f"  or in SQL:   {query};")
    if not ending.is_kept:
        screen.line(
            "  (All of it is gone now. `pgqueue demo --keep` leaves it for you to look at.)"
        )


def _tell_next(ending: Ending, screen: Screen) -> None:
    psql = ending.place.psql
    lines = [
        "\nEverything is kept. Type next:",
        f"  export PGQUEUE_DSN={quoted(ending.place.dsn)}",
        "  pgqueue info",
        "  pgqueue jobs ls --state dead",
        f'  {psql} -c "TABLE pgqueue.error_groups"',
        "Mend what is dead, and run it again:",
        f'  {psql} -c "{MEND}"',
        "  pgqueue jobs retry --task index_document --yes",
        f"  pgqueue worker -A {APP} --once",
        "Stop, and remove:",
        *(f"  {line}" for line in ending.place.cleaning),
    ]
    screen.line("\n".join(lines))


def document(ending: Ending) -> dict[str, Any]:
    """For programs."""
    course = ending.course
    return {
        "ok": ending.holds,
        "findings": [
            {
                "promise": each.promise,
                "ok": each.holds,
                "found": each.found,
                "problems": each.problems,
            }
            for each in ending.findings
        ],
        "documents": {
            "found": len(ending.corpus.documents),
            "skipped": dict(ending.corpus.skipped),
            "committed": len(course.ledger.committed),
            "rolled_back": len(course.ledger.rolled_back),
        },
        "rescue": _rescue(ending),
        "dead": [
            {"id": job.id, "document": path, "attempts": job.attempt, "reason": job.reason}
            for job, path in ending.dead
        ],
        "failures": len(ending.evidence.failures),
        "seconds": ending.seconds,
        "dsn": ending.place.dsn if ending.is_kept else None,
    }


def _rescue(ending: Ending) -> dict[str, Any] | None:
    if ending.course.killed is None:
        return None
    rescue = measure_rescue(ending.course.killed, ending.evidence)
    seconds = None if rescue.after is None else rescue.after.total_seconds()
    return {"worker": rescue.worker, "jobs": rescue.jobs, "seconds": seconds}
