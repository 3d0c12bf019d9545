"""A worker that holds the bells, and whose event loop is held up, keeps no job from the others."""

from tests.support.jobs import Connection, enqueue, state
from tests.support.oracle import starts
from tests.support.process import StartWorker
from tests.support.waiting import eventually
from tests.support.working import bell_holders

NEVER = 60.0
"""A poll interval that no test lives to see."""


def test_who_shares_the_bell_takes_what_its_holder_does_not(
    oracle: Connection, start_worker: StartWorker
) -> None:
    """The handler that blocks waits for a job that only the other worker can run."""
    start_worker(name="holder", poll=NEVER, queues={"default": None, "blocking": None})
    holder = ["pgqueue listener holder"]
    eventually(lambda: bell_holders(oracle) == holder * 2)
    sharer = start_worker(name="sharer", poll=NEVER)
    sharer.registered(oracle)
    blocks = enqueue(oracle, "blocks", queue="blocking")
    eventually(lambda: starts(oracle, blocks) == 1)
    assert bell_holders(oracle) == holder * 2
    frees = enqueue(oracle, "effect")
    eventually(lambda: state(oracle, frees) == "succeeded")
    eventually(lambda: state(oracle, blocks) == "succeeded")
