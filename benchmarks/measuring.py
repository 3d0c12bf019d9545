"""How a group is measured: every trial once a round, in an order that turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .errors import BenchmarkError
from .figure import Figure


@dataclass(frozen=True, slots=True)
class Reading:
    """What one trial found: values by name, and series of a rate second by second."""

    values: Mapping[str, float]
    series: Mapping[str, Sequence[float]] = field(default_factory=dict)


Trial = Callable[[], Reading]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A figure to be made of the readings: which value is ours, and which is its floor."""

    name: str
    unit: str
    floor: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Figures that are measured together, and so can be compared."""

    name: str
    title: str
    wanted: Sequence[Wanted]
    trials: Mapping[str, Trial]
    rounds: int
    notes: Sequence[str] = ()

    @property
    def steps(self) -> int:
        """How many trials there will be."""
        return self.rounds * len(self.trials)


@dataclass(frozen=True, slots=True)
class Findings:
    """A group after it was measured. `missing` names figures that cannot be had on this machine."""

    group: str
    title: str
    figures: Sequence[Figure]
    missing: Sequence[str]
    notes: Sequence[str]


def measure(group: Group, begin: Callable[[str], None]) -> Findings:
    """Run the rounds. `begin` hears the name of each trial before it starts."""
    rounds: list[Reading] = []
    names = list(group.trials)
    for number in range(group.rounds):
        values: dict[str, float] = {}
        series: dict[str, Sequence[float]] = {}
        for name in turned(names, number):
            begin(name)
            try:
                reading = group.trials[name]()
            except BenchmarkError as error:
                raise BenchmarkError(f"{group.name}, {name}: {error}") from error
            values |= reading.values
            series |= reading.series
        rounds.append(Reading(values, series))
    figures = [figure for wanted in group.wanted if (figure := made(wanted, rounds))]
    found = {figure.name for figure in figures}
    missing = [wanted.name for wanted in group.wanted if wanted.name not in found]
    return Findings(group.name, group.title, figures, missing, group.notes)


def turned(names: Sequence[str], number: int) -> Sequence[str]:
    """The order of a round: backwards in every other one, and beginning two further on in each.

    What stands beside its floor stays there, and each of them comes first as often.
    """
    start = 2 * number % len(names)
    order = [*names[start:], *names[:start]]
    return order[::-1] if number % 2 else order


def made(wanted: Wanted, rounds: Sequence[Reading]) -> Figure | None:
    """The figure, or None if no round has its value."""
    found = [reading for reading in rounds if wanted.name in reading.values]
    if not found:
        return None
    floor = wanted.floor or ""
    has_floor = all(floor in reading.values for reading in found)
    return Figure(
        wanted.name,
        wanted.unit,
        [reading.values[wanted.name] for reading in found],
        wanted.floor if has_floor else None,
        [reading.values[floor] for reading in found] if has_floor else [],
        found[-1].series.get(wanted.name, ()),
    )
