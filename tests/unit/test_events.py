"""Events are frozen values that say which worker they are about."""

import dataclasses
from typing import Any, get_args

import pytest

from pgqueue import events

KINDS = get_args(events.Event)


def test_every_event_of_the_module_is_an_event() -> None:
    declared = {
        found
        for found in vars(events).values()
        if dataclasses.is_dataclass(found) and found.__module__ == events.__name__
    }
    assert declared == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_is_a_frozen_value_of_a_worker(kind: Any) -> None:
    fields = [field.name for field in dataclasses.fields(kind)]
    assert fields[0] == "worker"
    event = kind(*fields)
    assert event == kind(**{name: name for name in fields})
    assert hash(event) == hash(kind(*fields))
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.worker = "another"
    assert not hasattr(event, "__dict__")
