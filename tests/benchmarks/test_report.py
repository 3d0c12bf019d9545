"""How findings are told."""

import json

import pytest

from pgqueue.benchmarks.figure import Figure
from pgqueue.benchmarks.lab import Plan
from pgqueue.benchmarks.measuring import Findings
from pgqueue.benchmarks.place import Place
from pgqueue.benchmarks.report import (
    COLUMNS,
    again,
    document,
    remarks,
    row,
    surroundings,
    text_of,
)

FIGURE = Figure("one process", "jobs/s", [30_000.0, 29_000.0], "plain SQL", [60_000.0, 58_000.0])
FINDINGS = Findings("drain", "Drain 10 jobs", [FIGURE], ["memory"], ["nobody else should work"])
PLACE = Place(
    "postgresql:///own", "postgresql:///", "own", {"server_version": "17.2", "fsync": "on"}
)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (1234567.8, "1,234,568"),
        (99.94, "99.9"),
        (1.0, "1"),
        (0.04567, "0.0457"),
        (0.000012, "1e-05"),
    ],
)
def test_numbers_have_the_digits_that_count(number: float, text: str) -> None:
    assert text_of(number) == text


def test_a_row_has_a_cell_for_each_column() -> None:
    cells = row(FIGURE)
    assert len(cells) == len(COLUMNS)
    assert cells == [
        *("one process", "29,500", "(29,000 to 30,000)", "jobs/s"),
        *("59,000", "plain SQL", "0.50"),
    ]
    assert row(Figure("memory", "MB", [40.0]))[4:] == [None, None, None]


def test_remarks_name_their_group() -> None:
    assert remarks([FINDINGS]) == [
        "drain: nobody else should work",
        "drain: cannot be measured here: memory",
    ]


def test_the_same_again_is_a_command() -> None:
    plan = Plan(rounds=2, jobs=100_000, seconds=0.5)
    assert again(["drain"], plan, private=False) == (
        "pgqueue bench drain --rounds 2 --jobs 100000 --seconds 0.5"
    )
    assert again(["backlog", "pinned"], Plan(), private=True) == (
        "pgqueue bench backlog pinned --rounds 3 --jobs 50000 --seconds 3 "
        "--pin-seconds 90 --backlog 1000000 --private"
    )


def test_an_option_of_two_groups_is_named_once() -> None:
    command = again(["backlog", "parked"], Plan(), private=False)
    assert command.endswith("--seconds 3 --backlog 1000000")


def test_the_surroundings_name_server_and_settings() -> None:
    assert surroundings(PLACE).startswith("PostgreSQL 17.2 (fsync on), Python 3.")


def test_the_document_holds_every_round_and_no_dsn() -> None:
    text = json.dumps(document([FINDINGS], PLACE, Plan(), "pgqueue bench drain"))
    assert "postgresql:" not in text
    (group,) = json.loads(text)["groups"]
    (figure,) = group["figures"]
    assert figure["values"] == [30_000, 29_000]
    assert figure["floors"] == [60_000, 58_000]
    assert figure["ratio"] == 0.5
