"""Which queue is asked for jobs first, and for how many: by weight, or in strict order."""

from __future__ import annotations

from ..settings import WorkerSettings


class Shares:
    """What each queue of a worker got so far, and what is due to it now."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._served = dict.fromkeys(settings.queues, 0.0)
        self._weight = 0

    def turns(self) -> list[str]:
        """The queues in the order in which to ask them: as they were given, or the one first that
        got least for its weight.
        """
        if self._settings.strict:
            return list(self._served)
        self._weight = sum(map(self._settings.weight_of, self._served))
        return sorted(self._served, key=self._served.__getitem__)

    def of(self, queue: str, room: int) -> int:
        """The share of this room that the next queue in turn may have: its own, and what is left of
        the shares of those before it. In strict order it is all.
        """
        if self._settings.strict:
            return room
        weight = self._settings.weight_of(queue)
        share = -(-room * weight // self._weight)
        self._weight -= weight
        return share

    def place(self, queue: str) -> int:
        """The place of its jobs among all that were claimed ahead of a slot, the lowest first."""
        return list(self._served).index(queue) if self._settings.strict else 0

    def serve(self, queue: str, jobs: int, *, exhausted: bool) -> None:
        """Remember what a queue got for its weight. An empty one saves nothing up for later."""
        self._served[queue] += jobs / self._settings.weight_of(queue)
        if exhausted:
            self._served[queue] = max(self._served.values())
