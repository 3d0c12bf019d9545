"""A figure: a number measured once in every round, beside its floor of the same round."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`floors[i]` was measured in the same round as `values[i]`; only their ratio travels between
    machines. `series` is how a rate went, second by second, in the last round.
    """

    name: str
    unit: str
    values: Sequence[float]
    floor: str | None = None
    floors: Sequence[float] = ()
    series: Sequence[float] = ()

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def lowest(self) -> float:
        return min(self.values)

    @property
    def highest(self) -> float:
        return max(self.values)

    @property
    def floor_median(self) -> float | None:
        return statistics.median(self.floors) if self.floors else None

    @property
    def ratio(self) -> float | None:
        """Ours divided by the floor of the same round, median of the rounds."""
        pairs = zip(self.values, self.floors, strict=False)
        ratios = [ours / floor for ours, floor in pairs if floor]
        return statistics.median(ratios) if ratios else None


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not exceeded by at least this share of all (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def per_second(samples: Sequence[tuple[float, int]]) -> list[float]:
    """Rates between samples of a clock and a rising count, for each whole second since the first.

    The count at the turn of a second is taken from the line between the samples around it.
    """
    if len(samples) < 2:
        return []
    began = samples[0][0]
    counts, at = [float(samples[0][1])], 1
    for second in range(1, int(samples[-1][0] - began) + 1):
        turn = began + second
        while samples[at][0] < turn:
            at += 1
        (before, less), (after, more) = samples[at - 1], samples[at]
        counts.append(less + (more - less) * (turn - before) / (after - before))
    return [later - earlier for earlier, later in itertools.pairwise(counts)]
