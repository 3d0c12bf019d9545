"""Findings as pictures."""

from pathlib import Path

import pytest

from pgqueue.benchmarks.figure import Figure
from pgqueue.benchmarks.measuring import Findings
from pgqueue.benchmarks.picture import draw

pytest.importorskip("matplotlib", reason="pictures need matplotlib")

DRAIN = Findings(
    "drain",
    "Drain",
    [Figure("one", "jobs/s", [3.0], "plain", [6.0]), Figure("two", "MB", [0.0])],
    [],
    [],
)
PINNED = Findings(
    "pinned", "Pinned", [Figure("held, last 1 s", "jobs/s", [3.0], series=[1.0, 2.0, 3.0])], [], []
)
NOTHING = Findings("idle", "Idle", [], ["memory"], [])


def test_one_group_is_drawn_to_the_file_that_is_named(tmp_path: Path) -> None:
    path = tmp_path / "drain.svg"
    assert draw([DRAIN, NOTHING], path) == [path]
    first = path.read_bytes()
    assert b"<svg" in first
    draw([DRAIN], path)
    assert path.read_bytes() == first, "the same figures make the same file"


def test_several_groups_have_a_file_each(tmp_path: Path) -> None:
    drawn = draw([DRAIN, PINNED], tmp_path / "bench.png")
    assert [path.name for path in drawn] == ["bench-drain.png", "bench-pinned.png"]
    for path in drawn:
        assert path.read_bytes().startswith(b"\x89PNG")
