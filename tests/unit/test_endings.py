"""How a process ended is told by its exit code or the name of its signal."""

import pytest

from pgqueue.worker.endings import ending


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (0, "exit code 0"),
        (1, "exit code 1"),
        (-9, "signal SIGKILL"),
        (-40, "signal 40"),  # a real-time signal, which has no name
    ],
)
def test_how_it_ended(code: int, told: str) -> None:
    assert ending(code) == told
