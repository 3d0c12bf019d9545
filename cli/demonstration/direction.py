"""The whole demo from the server's start to the verdict."""

from __future__ import annotations

import sys
import time

import psycopg

from pgqueue.migrations import upgrade

from ..output import count_of, print_json, text_of_seconds
from ..session import Session
from .check import count_directly, judge
from .corpus import Corpus
from .ending import Ending, document, tell
from .evidence import read_evidence
from .place import Place, open_place
from .plan import plan
from .screen import Screen
from .story import Story
from .tasks import TABLES


class Clock:
    """How long each part took, in seconds."""

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()
        self.seconds: dict[str, float] = {}

    def lap(self, part: str) -> float:
        """The time since the last lap, which this part took."""
        now = time.monotonic()
        self.seconds[part], self._last = now - self._last, now
        return self.seconds[part]

    def stop(self) -> None:
        """Note the time of everything."""
        self.seconds["total"] = time.monotonic() - self._began


def perform(session: Session, corpus: Corpus, keep: bool) -> bool:
    """Show it all. Whether every promise was kept."""
    screen = Screen(
        sys.stderr if session.as_json else sys.stdout,
        color=session.wants_color(),
        quiet=session.quiet,
    )
    clock = Clock()
    given = None if session.dsn is None else session.database_dsn
    screen.line("pgqueue demo", style="bold")
    try:
        with open_place(given, keep) as place:
            session.dsn = place.dsn
            screen.done(place.description, clock.lap("server"))
            ending = _perform_in(place, corpus, keep, screen, clock)
            if keep:
                place.keep()
    except KeyboardInterrupt:
        screen.line("\nInterrupted. Workers and server are stopped, and nothing is left.")
        raise
    clock.stop()
    tell(ending, screen)
    if session.as_json:
        print_json(document(ending))
    return ending.holds


def _perform_in(place: Place, corpus: Corpus, keep: bool, screen: Screen, clock: Clock) -> Ending:
    upgrade(place.dsn)
    with psycopg.connect(place.dsn) as connection:
        connection.execute(TABLES)
    screen.done("schema pgqueue, and tables for the documents", clock.lap("schema"))
    screen.done(_described(corpus))
    story = Story(place.dsn, plan(corpus.documents), screen)
    course = story.perform()
    clock.lap("work")
    finished = len(course.ledger.committed)
    done = f"{count_of(finished, 'job')} done, {finished / course.seconds:,.0f}/s"
    slowed = f"each slowed down by {text_of_seconds(story.pause)}, so that you can watch"
    screen.done(f"{done} ({slowed})", course.seconds)
    direct = count_directly(course.ledger.committed)
    screen.done("all files counted again, without the queue", clock.lap("direct"))
    with psycopg.connect(place.dsn) as connection:
        evidence = read_evidence(connection)
    findings = judge(course, direct, evidence)
    return Ending(place, keep, corpus, course, evidence, findings, clock.seconds)


def _described(corpus: Corpus) -> str:
    files = count_of(len(corpus.documents), "Python file")
    text = f"corpus: {files}, {corpus.characters / 1e6:.1f} million characters"
    if not corpus.skipped:
        return text
    skipped = ", ".join(f"{number:,} {why}" for why, number in corpus.skipped.most_common())
    return f"{text} (skipped: {skipped})"
