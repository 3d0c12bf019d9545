"""What comes with a request is checked in one place: what is taken, and what is refused."""

from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from starlette.exceptions import HTTPException

from pgqueue.dashboard.actions import AT_ONCE, WAITING
from pgqueue.dashboard.given import MOST_FIELDS, Given, read_form
from pgqueue.dashboard.search import LARGEST_ID


def test_the_last_of_a_name_counts_and_blanks_are_left_out() -> None:
    given = Given([("a", "1"), ("a", " 2 "), ("b", " ")])
    assert (given.text("a"), given.number("a", 0, 9)) == ("2", 2)
    assert (given.text("b"), given.number("b", 0, 9), given.instant("b")) == (None, None, None)
    assert given.ids("c", 1) == given.some_of("c", ("x",)) == []


def test_checkboxes_give_several() -> None:
    given = Given([("id", "30"), ("state", "dead"), ("id", "4"), ("state", "lost"), ("id", "30")])
    assert given.ids("id", 3) == [4, 30]
    assert given.some_of("state", ("dead", "lost")) == ["dead", "lost"]


def test_a_length_is_counted_in_characters_as_browsers_do() -> None:
    assert Given([("reason", "ü" * 500)]).text("reason", 500) == "ü" * 500


@pytest.mark.parametrize(
    ("value", "asked", "said"),
    [
        ("a\0b", lambda given: given.text("a"), "a has a character that cannot be stored"),
        ("a\ud800b", lambda given: given.text("a"), "a has a character that cannot be stored"),
        ("x" * 201, lambda given: given.text("a"), "a is too long: at most 200 characters"),
        ("x", lambda given: given.one_of("a", ("y", "z")), "a is one of y, z; got “x”"),
        ("", lambda given: given.one_of("a", ("y", "z")), "a is one of y, z; got “”"),
        ("x", lambda given: given.some_of("a", ("y", "z")), "a is one of y, z; got “x”"),
        ("-1", lambda given: given.number("a", 0, 9), "a is a whole number; got “-1”"),
        ("-11", lambda given: given.number("a", -10, 10), "a lies between -10 and 10; got -11"),
        ("--1", lambda given: given.number("a", -10, 10), "a is a whole number"),
        ("²", lambda given: given.number("a", -10, 10), "a is a whole number"),
        (" ", lambda given: given.demanded("a", -10, 10), "a is missing"),
        ("", lambda given: given.ids("a", 5), "a is a whole number; got “”"),
        ("0", lambda given: given.ids("a", 5), "a lies between 1 and"),
        (str(LARGEST_ID + 1), lambda given: given.ids("a", 5), "a lies between 1 and"),
        ("1", lambda given: given.ids("a", 0), "At most 0 jobs at once"),
        ("tomorrow", lambda given: given.instant("a"), "is not a time"),
    ],
)
def test_what_is_out_of_bounds_is_told(value: str, asked: Any, said: str) -> None:
    with pytest.raises(HTTPException) as refusal:
        asked(Given([("a", value)]))
    assert refusal.value.status_code == 400
    assert said in refusal.value.detail
    assert refusal.value.detail.endswith(". Go back and change it.")


def test_negative_numbers_where_bounds_allow_them() -> None:
    assert Given([("priority", "-10")]).demanded("priority", -10, 10) == -10


def test_a_form_holds_as_many_jobs_as_can_be_selected() -> None:
    pairs = [("id", str(id)) for id in range(1, AT_ONCE + 1)]
    pairs += [("state", state) for state in WAITING] + [("reason", "a & b")]
    form = read_form(urlencode(pairs).encode())
    assert len(form.ids("id", AT_ONCE)) == AT_ONCE
    assert form.text("reason") == "a & b"


@pytest.mark.parametrize("body", [b"a=1&" * MOST_FIELDS + b"a=1", b"a=%ff", b"a=\xff"])
def test_a_form_that_is_none_of_ours_is_refused(body: bytes) -> None:
    with pytest.raises(HTTPException, match="at most 2,000 fields, in UTF-8"):
        read_form(body)


def test_a_body_of_another_kind_is_refused_and_not_taken_for_an_empty_form(
    http: httpx.Client,
) -> None:
    for path in ("/queues/default/pause", "/jobs/act"):
        answer = http.post(path, json={"reason": "x"})
        assert answer.status_code == 415
        assert "A form is sent as application/x-www-form-urlencoded." in answer.text
    assert http.post("/queues/default/pause").status_code == 303
