"""Paths into arguments, and what hides the values there in documents and in texts."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgqueue import PgQueue
from pgqueue.errors import InvalidOption, UsageError
from pgqueue.redaction import HIDDEN, check_paths, hiding, redacted, redacted_text

CARD = {"card": "4111-1111", "order": {"id": 7, "token": "abcd", "lines": [{"token": "x"}, 2]}}


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([], CARD),
        (["card"], CARD | {"card": HIDDEN}),
        (["order"], CARD | {"order": HIDDEN}),
        (["*.token"], CARD | {"order": {**CARD["order"], "token": HIDDEN}}),  # type: ignore[dict-item]
        (["token", "card.number", "order.lines.token", "order.*.id"], CARD),
        (
            ["order.lines.*.token"],
            CARD | {"order": {**CARD["order"], "lines": [{"token": HIDDEN}, 2]}},  # type: ignore[dict-item]
        ),
        (["*"], {"card": HIDDEN, "order": HIDDEN}),
    ],
)
def test_a_path_hides_what_lies_there(paths: list[str], expected: Any) -> None:
    before = json.dumps(CARD)
    assert redacted(CARD, paths) == expected
    assert json.loads(redacted_text(before, paths)) == expected
    assert json.dumps(CARD) == before


def test_what_cannot_be_read_is_hidden_as_a_whole() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    for text in ('{"card": 1', deep):
        assert json.loads(redacted_text(text, ["card"])) == HIDDEN
        assert hiding(text, ["card"])("any text") == HIDDEN
        assert redacted_text(text, []) == text


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        ("4111-1111", "card 4111-1111 declined", "card ••• declined"),
        ("it's", repr("it's") + " and 'it\\'s'", "\"•••\" and 'it\\'s'"),
        ("a\nb\tc", 'a\\nb\\tc "a\\nb\\tc" a\nb\tc', '••• "•••" •••'),
        ("zażółć", f"zażółć {json.dumps('zażółć')}", '••• "•••"'),
        ("abc", "abc is too short to tell", "abc is too short to tell"),
        (4111, "pin 4111, not 41112 or 94111", "pin •••, not 41112 or 94111"),
        (123, "123", "123"),
        (12.345, "12.345 of it", "••• of it"),
        (-4111, "-4111", "•••"),
        (True, "True", "True"),
        (None, "None", "None"),
        (["first", {"number": "second"}], "first and second", "••• and •••"),
        (["abcd", "abcdefgh"], "abcdefgh", "•••"),
        ("a.c+d", "a.c+d axccd", "••• axccd"),
    ],
)
def test_values_are_hidden_in_texts(value: Any, text: str, expected: str) -> None:
    assert hiding(json.dumps({"card": value, "other": "declined"}), ["card"])(text) == expected


@given(st.text(min_size=4).filter(lambda text: text.isprintable() and HIDDEN not in text))
def test_any_string_is_hidden_however_it_is_written(secret: str) -> None:
    hide = hiding(json.dumps({"card": secret}), ["card"])
    for text in (secret, repr(secret), json.dumps(secret), str(ValueError(secret))):
        assert secret not in hide(f"before {text} after")


@pytest.mark.parametrize("paths", ["card", None, 7, [7], [""], ["a..b"], [".a"], ["a."]])
def test_what_is_no_path_is_refused(paths: Any) -> None:
    with pytest.raises(InvalidOption, match="redact"):
        check_paths(paths)


def test_a_task_names_arguments_that_it_has() -> None:
    app = PgQueue(redact=["*.password", "secret"])
    with pytest.raises(UsageError, match=r'there is no argument "crad"\. There are: card, order\.'):

        @app.task(redact=["crad.number"])
        def wrong(card: str, order: int) -> None: ...

    @app.task(redact=["card", "*.token", "secret"])
    def charge(card: str, order: int, secret: str) -> None: ...

    @app.task
    def plain(order: int) -> None: ...

    expected = ("*.password", "secret", "card", "*.token")
    assert app.tasks["charge"].definition.redact == expected
    assert app.tasks["plain"].definition.redact == ("*.password", "secret")
    with pytest.raises(InvalidOption):
        PgQueue(redact="card")
