"""What the tasks of an application declare of schedules."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .schedule import Schedule
from .schedule_handle import declared_job, schedule_parameters
from .task import Task


class Scheduling:
    """The part of an application that knows which schedules its tasks declare."""

    _schedules: dict[str, Schedule]

    @property
    def schedules(self) -> Mapping[str, Schedule]:
        """The schedules that tasks declare, by the name of the task."""
        return MappingProxyType(self._schedules)

    def _declare(self, task: Task[..., Any], times: Schedule | None) -> None:
        """Remember what a task declares. Raises InvalidOption for what could not be put, as workers
        do that when they start.
        """
        if times is not None:
            schedule_parameters(task.name, declared_job(task), times)
            self._schedules[task.name] = times
