"""The bounds of a document are those of PostgreSQL and of its function `check_args`."""

import uuid
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgqueue.document import MOST_LEVELS, Unfit, check_shape, encode, encode_object
from pgqueue.errors import InvalidOption

HINT = "Make it smaller."
PLENTY = 1 << 20
text_for_json = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))
documents = st.dictionaries(
    text_for_json,
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | text_for_json,
        lambda inner: st.lists(inner) | st.dictionaries(text_for_json, inner),
        max_leaves=20,
    ),
)


def size_of(value: Any) -> int:
    """How long `encode` thinks that a document will be, from the message that it is too long."""
    with pytest.raises(Unfit) as caught:
        encode(value, 1, hint=HINT)
    return int(caught.value.problem.split()[1])


def nested(levels: int, opening: str, closing: str, innermost: str) -> str:
    """A document whose innermost value is at this level; the object around it all is level 0."""
    return '{"a":' + opening * (levels - 1) + innermost + closing * (levels - 1) + "}"


SHAPES = [("[", "]"), ('{"a":', "}"), ('[{},"]]]",', "]"), ('{"}\\"{":1,"a":', "}")]


@pytest.mark.parametrize("innermost", ["1", '""', "[]", "{}", '"[[[["', "null"])
@pytest.mark.parametrize(("opening", "closing"), SHAPES)
def test_the_deepest_level_is_the_hundredth(opening: str, closing: str, innermost: str) -> None:
    deepest = nested(MOST_LEVELS, opening, closing, innermost).encode()
    check_shape(deepest, PLENTY, hint=HINT)
    too_deep = nested(MOST_LEVELS + 1, opening, closing, innermost).encode()
    with pytest.raises(Unfit, match="is nested more than 100 levels deep"):
        check_shape(too_deep, PLENTY, hint=HINT)


@pytest.mark.parametrize("innermost", ["1", "[]", "{}"])
@pytest.mark.parametrize(("opening", "closing"), SHAPES)
def test_the_server_counts_levels_alike(
    connection: psycopg.Connection[Any], opening: str, closing: str, innermost: str
) -> None:
    for levels in (MOST_LEVELS - 1, MOST_LEVELS, MOST_LEVELS + 1, MOST_LEVELS + 2):
        text = nested(levels, opening, closing, innermost)
        assert accepts(connection, text, PLENTY) == passes(text, PLENTY) == (levels <= MOST_LEVELS)


def depth_of(value: Any) -> int:
    parts = value.values() if isinstance(value, dict) else value
    return 1 + max(map(depth_of, parts)) if isinstance(value, dict | list) and value else 0


@given(
    st.recursive(
        st.none() | st.text('[]{}"\\,:a'),
        lambda inner: st.lists(inner) | st.dictionaries(st.text('[]{}"\\,:a'), inner),
    ),
    st.lists(
        st.sampled_from([lambda value: [value], lambda value: {'"]': [], "a": value}]), min_size=1
    ),
)
def test_levels_are_counted_right_whatever_the_strings_say(
    value: Any, wrappers: list[Callable[[Any], Any]]
) -> None:
    for place in range(MOST_LEVELS - depth_of(value)):
        value = wrappers[place % len(wrappers)](value)
    assert depth_of(value) == MOST_LEVELS
    encode(value, PLENTY, hint=HINT)
    with pytest.raises(Unfit, match="is nested more than 100 levels deep"):
        encode([value], PLENTY, hint=HINT)


def test_width_is_not_depth() -> None:
    encode({"a": [{"b": [index]} for index in range(10_000)]}, PLENTY, hint=HINT)


def test_the_server_counts_bytes_alike(connection: psycopg.Connection[Any]) -> None:
    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(documents)
    def alike(document: dict[str, Any]) -> None:
        text = msgspec.json.encode(document).decode()
        row = connection.execute("SELECT octet_length(%s::jsonb::text)", (text,)).fetchone()
        assert row == (size_of(document),)

    alike()


@pytest.mark.parametrize(
    "document",
    [
        {"a": "x" * 3000},
        {"a": 1e300, "b": [-1.5e-300, -0.0, 1e16, 0.0, 1e-7]},
        {"a": '1e300,:,"\\', "\x1f": "é\n\u2028🐘\x7f"},
        {"a": [], "b": {}, "c": [[], [1, 2], {"d": None}]},
    ],
)
def test_the_last_byte_that_fits_is_the_same(
    connection: psycopg.Connection[Any], document: dict[str, Any]
) -> None:
    size = size_of(document)
    text = encode(document, size, hint=HINT).decode()
    assert passes(text, size)
    assert accepts(connection, text, size)
    assert not passes(text, size - 1)
    assert not accepts(connection, text, size - 1)


def accepts(connection: psycopg.Connection[Any], text: str, max_bytes: int) -> bool:
    try:
        connection.execute("SELECT pgqueue.check_args(%s::jsonb, %s)", (text, max_bytes))
    except psycopg.errors.ProgramLimitExceeded:
        return False
    return True


def passes(text: str, max_bytes: int) -> bool:
    try:
        check_shape(text.encode(), max_bytes, hint=HINT)
    except Unfit:
        return False
    return True


def test_an_object_is_encoded_as_it_is() -> None:
    assert encode_object({"a": [1, (2, None)]}, "meta", max_bytes=100) == '{"a":[1,[2,null]]}'
    assert encode_object(MappingProxyType({"a": 1}), "meta", max_bytes=100) == '{"a":1}'
    assert encode_object({"a": "\\u0000"}, "meta", max_bytes=100) == '{"a":"\\\\u0000"}'


CURE = "Pass what JSON has, for example str(value)."


def containing_itself() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["a"] = value
    return value


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: [1], "meta is a dict, got list."),
        (lambda: "{}", "meta is a dict, got str."),
        (lambda: {1: 2}, f"meta: keys of type int would come back as strings. {CURE}"),
        (lambda: {"a": {None: 2}}, "meta.a: keys of type NoneType cannot be stored as JSON. "
         "Use strings."),
        (lambda: {"a": [uuid.uuid4()]}, "meta.a[0]: a UUID would come back as something else. "
         f"{CURE}"),
        (lambda: {"a": float("nan")}, "meta.a: NaN is not JSON. Pass None or a string instead."),
        (lambda: {"a\x00": 1}, "meta: contains a NUL character (\\u0000), which PostgreSQL cannot "
         "store. Remove it."),
        (lambda: {"a": "x" * 100}, "meta takes 109 bytes, at most 100 are allowed. "
         "Store the data in a table of yours."),
        (containing_itself, "meta is nested more than 100 levels deep, or contains itself. "
         "Flatten the data, or pass it as a string."),
    ],
)  # fmt: skip
def test_an_object_that_cannot_be_stored(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        encode_object(make(), "meta", max_bytes=100)
    assert str(caught.value) == message
