"""What the tests say in the words of the domain."""

from tests.support.jobs import (
    claim,
    claim_one,
    enqueue,
    expire,
    job,
    register,
    row,
    state,
    value,
    values,
)
from tests.support.waiting import eventually

__all__ = [
    "claim",
    "claim_one",
    "enqueue",
    "eventually",
    "expire",
    "job",
    "register",
    "row",
    "state",
    "value",
    "values",
]
