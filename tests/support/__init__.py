"""What the tests say in the words of the domain."""

from tests.support.guards import definition_of, without
from tests.support.jobs import (
    claim,
    claim_gated,
    claim_one,
    complete,
    enqueue,
    expire,
    job,
    register,
    rescue,
    row,
    rows,
    sentinel_or_claimed,
    state,
    value,
    values,
)
from tests.support.waiting import eventually, heard, wait_until_blocked

__all__ = [
    "claim",
    "claim_gated",
    "claim_one",
    "complete",
    "definition_of",
    "enqueue",
    "eventually",
    "expire",
    "heard",
    "job",
    "register",
    "rescue",
    "row",
    "rows",
    "sentinel_or_claimed",
    "state",
    "value",
    "values",
    "wait_until_blocked",
    "without",
]
