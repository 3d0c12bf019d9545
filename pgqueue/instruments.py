"""What surrounds jobs on their way in and while they run: traces and error reports are instruments.

Instruments watch and never decide: what breaks in one of them is logged, and costs no job anything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol

import msgspec

from .errors import UsageError
from .outcome import Outcome
from .running import RunningJob

_log = logging.getLogger("pgqueue")


@dataclass(slots=True)
class Outgoing:
    """Jobs that are being enqueued together. What is put into `carrier` joins the meta of each.
    The ids are known when the block ends.
    """

    task: str | None
    queue: str | None
    """None: they are of several."""
    count: int = 1
    carrier: dict[str, str] = field(default_factory=dict)
    ids: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Run:
    """One attempt in a worker. How it ended is known when the block ends; the error is missing
    where it happened in a child process.
    """

    job: RunningJob
    worker: str
    outcome: Outcome | None = None
    error: BaseException | None = None
    hiding: Callable[[], Callable[[str], str]] = lambda: str
    """Makes what takes values of redacted arguments out of texts, for who shows some."""


class Instrument(Protocol):
    """Surrounds the enqueueing of jobs and each attempt at one, in the context of whoever does it:
    context variables that it sets are seen by the task, in threads, too.
    """

    def enqueueing(self, outgoing: Outgoing) -> AbstractContextManager[object]: ...

    def running(self, run: Run) -> AbstractContextManager[object]: ...

    def carry(self, carrier: dict[str, str]) -> None:
        """Put the present context into what a child process is handed with a job."""

    def continuing(self, carrier: Mapping[str, str]) -> AbstractContextManager[object]:
        """Surrounds the task in a child process, with what `carry` has put there."""


class Instrumented:
    """The part of an application that knows its instruments."""

    _instruments: tuple[Instrument, ...] = ()

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        return self._instruments

    def instrument(self, instrument: Instrument) -> None:
        """Have an instrument surround whatever is enqueued and run from now on; the first one is
        the outermost. Raises UsageError for a second one of a kind.
        """
        if any(type(known) is type(instrument) for known in self._instruments):
            raise UsageError(
                f"the application has {type(instrument).__name__} already: instrument it once, "
                "where it is declared."
            )
        self._instruments += (instrument,)


@contextmanager
def surrounded(
    instruments: tuple[Instrument, ...],
    make: Callable[[Instrument], AbstractContextManager[object]],
) -> Iterator[None]:
    """Within the block that each instrument makes, the first one outermost."""
    with ExitStack() as stack:
        for instrument in instruments:
            try:
                block = make(instrument)
                block.__enter__()
            except Exception:  # noqa: BLE001 - it must cost no job anything
                _log.exception("an instrument of pgqueue failed")
            else:
                stack.push(_leaving(block))
        yield


def _leaving(block: AbstractContextManager[object]) -> Any:
    def leave(
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        try:
            block.__exit__(kind, error, trace)
        except Exception as broken:  # noqa: BLE001 - it must cost no job anything
            if broken is not error:
                _log.exception("an instrument of pgqueue failed")
        return False

    return leave


@contextmanager
def enqueueing(instruments: tuple[Instrument, ...], outgoing: Outgoing) -> Iterator[Outgoing]:
    """Within what the instruments do around an enqueue."""
    with surrounded(instruments, lambda instrument: instrument.enqueueing(outgoing)):
        yield outgoing


def joined_meta(meta: str | None, carrier: Mapping[str, str]) -> str | None:
    """The meta of a job with what the instruments send along. What the enqueuer said stays."""
    if not carrier:
        return meta
    if meta is None:
        return msgspec.json.encode(carrier).decode()
    own = msgspec.json.decode(meta, type=dict[str, msgspec.Raw])
    return msgspec.json.encode({**carrier, **own}).decode()


def carried(instruments: tuple[Instrument, ...]) -> dict[str, str]:
    """What a child process is handed so that the task's own spans find their parent."""
    carrier: dict[str, str] = {}
    for instrument in instruments:
        try:
            instrument.carry(carrier)
        except Exception:  # noqa: BLE001 - it must cost no job anything
            _log.exception("an instrument of pgqueue failed")
    return carrier
