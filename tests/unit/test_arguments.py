"""Every way in which arguments can be wrong has a message; all else travels unchanged."""

import dataclasses
import datetime as dt
import decimal
import enum
import functools
import io
import uuid
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, TypedDict, TypeVar

import attrs
import msgspec
import psycopg
import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pgqueue.arguments import Arguments
from pgqueue.errors import InvalidArguments, UsageError

MEBIBYTE = 1 << 20
NOON = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Line:
    price: float
    note: str | None = None


@dataclasses.dataclass
class Order:
    id: int
    lines: list[Line]


@dataclasses.dataclass
class Percent:
    value: int

    def __post_init__(self) -> None:
        if self.value > 100:
            raise ValueError(f"{self.value} is more than all of it")


class Point(msgspec.Struct):
    x: int
    y: int = 0


@attrs.define
class Size:
    width: int


class Address(TypedDict):
    zip: str
    city: NotRequired[str]


class Pair(NamedTuple):
    left: int
    right: str


T = TypeVar("T")


@dataclasses.dataclass
class Page(Generic[T]):
    items: list[T]


class Person(pydantic.BaseModel):
    name: str = pydantic.Field(alias="Name")
    born: dt.date | None = None
    friends: list["Person"] = []
    height: float | None = None

    @pydantic.field_validator("name")
    @classmethod
    def has_no_digits(cls, name: str) -> str:
        if any(letter.isdigit() for letter in name):
            raise ValueError(f"{name} has digits")
        return name


class Undeclared:
    pass


class Uncomparable:
    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value is ambiguous")

    __hash__ = None  # type: ignore[assignment]  # like an array


def send_welcome(user_id: int, *, template: str = "default") -> str:
    return f"{user_id} {template}"


WELCOME = Arguments.of(send_welcome, "send_welcome")
SIGNATURE = 'send_welcome(user_id: int, *, template: str = "default")'


def kind_of(value: Any) -> str:
    """Names parametrized tests, for some values here cannot be printed."""
    return type(value).__name__


def taking(annotation: Any) -> Arguments:
    """A task `t` with one argument `x` of this annotation."""

    def function(x):  # type: ignore[no-untyped-def]  # annotated in the next line
        return x

    function.__annotations__["x"] = annotation
    return Arguments.of(function, "t")


def through(
    arguments: Arguments, *args: Any, **kwargs: Any
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return arguments.decode(arguments.encode(args, kwargs, max_bytes=MEBIBYTE))


def refusal(arguments: Arguments, *args: Any, max_bytes: int = MEBIBYTE, **kwargs: Any) -> str:
    with pytest.raises(InvalidArguments) as caught:
        arguments.encode(args, kwargs, max_bytes=max_bytes)
    return str(caught.value)


def test_only_what_was_passed_is_stored() -> None:
    assert WELCOME.encode((42,), {}, max_bytes=MEBIBYTE) == '{"user_id":42}'
    assert WELCOME.encode((), {"user_id": 42, "template": "default"}, max_bytes=MEBIBYTE) == (
        '{"user_id":42,"template":"default"}'
    )


def test_defaults_come_from_the_function_when_the_job_runs() -> None:
    assert WELCOME.decode('{"user_id": 42}') == ((42,), {"template": "default"})


def test_a_default_may_be_anything() -> None:
    nothing = object()

    def task(a: int = None, b: Any = nothing, c: list[int] = [1]) -> None:  # type: ignore[assignment]  # noqa: B006, RUF013 - what people write
        ...

    arguments = Arguments.of(task, "task")
    assert arguments.encode((), {}, max_bytes=100) == "{}"
    (a, b, c), keywords = arguments.decode("{}")
    assert (a, b, c, keywords) == (None, nothing, [1], {})
    c.append(2)
    assert arguments.decode("{}")[0][2] == [1], "one job must not see what another did to a default"


def test_positional_only_and_keyword_only_arguments_reach_their_places() -> None:
    def task(a: int, /, b: int, *, c: int, d: int = 4) -> tuple[int, ...]:
        return a, b, c, d

    arguments = Arguments.of(task, "task")
    args, kwargs = through(arguments, 1, b=2, c=3)
    assert task(*args, **kwargs) == (1, 2, 3, 4)
    assert arguments.signature_text == "task(a: int, /, b: int, *, c: int, d: int = 4)"


def test_a_task_without_arguments() -> None:
    arguments = Arguments.of(lambda: None, "t")
    assert through(arguments) == ((), {})
    assert refusal(arguments, 1) == "t: takes 0 positional arguments, got 1\n  signature: t()"


def test_arguments_with_odd_names() -> None:
    def task(
        self: int, cls: int, _private: int, max_bytes: int, args: int, kwargs: int
    ) -> None: ...

    arguments = Arguments.of(task, "task")
    assert through(arguments, 1, 2, _private=3, max_bytes=4, args=5, kwargs=6)[0] == (
        1,
        2,
        3,
        4,
        5,
        6,
    )


def test_a_wrapped_function_has_the_signature_of_what_it_wraps() -> None:
    @functools.wraps(send_welcome)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return send_welcome(*args, **kwargs)

    assert Arguments.of(wrapper, "send_welcome").signature_text == SIGNATURE


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, 2**70),
        (int, -(10**4000)),
        (float, 1e300),
        (float, 3),
        (str, "naïve 🐘 \u2028 \x7f \\u0000"),
        (bytes, b"\x00\xff"),
        (bool, True),
        (None, None),
        (int | None, None),
        (int | str, "x"),
        (Literal["a", 1], 1),
        (decimal.Decimal, decimal.Decimal("1.10")),
        (uuid.UUID, uuid.UUID(int=7)),
        (dt.datetime, NOON),
        (dt.datetime | None, NOON),
        (list[dt.datetime], [NOON]),
        (dict[str, tuple[dt.datetime, ...]], {"a": (NOON,)}),
        (Annotated[dt.datetime, msgspec.Meta(tz=False)], NOON.replace(tzinfo=None)),
        (dt.date, NOON.date()),
        (dt.timedelta, dt.timedelta(days=-3, seconds=5)),
        (Colour, Colour.RED),
        (Order, Order(1, [Line(2.5), Line(3.0, "x")])),
        (Point, Point(1)),
        (Size, Size(3)),
        (Address, {"zip": "1010"}),
        (Pair, Pair(1, "x")),
        (Page[Line], Page([Line(1.0)])),
        (set[int], {1, 2}),
        (tuple[int, str], (1, "x")),
        (Sequence[int], [1]),
        (dict[int, str], {1: "x"}),
        (dict[uuid.UUID, Point], {uuid.UUID(int=7): Point(1)}),
        (Person, Person(Name="Ada", born=dt.date(1815, 12, 10), friends=[Person(Name="B")])),
        (list[Person], [Person(Name="Ada")]),
        (dict[str, Person | None], {"a": Person(Name="Ada"), "b": None}),
        (object, [1, None, {"a": 1.5}]),
        (dict, {"a": [True, {}]}),
        (dict[str, Any], {"a": None}),
    ],
    ids=kind_of,
)
def test_a_value_arrives_as_it_was(annotation: Any, value: Any) -> None:
    (arrived,), _ = through(taking(annotation), value)
    assert arrived == value
    assert type(arrived) is type(value) or annotation is float


def test_without_an_annotation_tuples_arrive_as_lists() -> None:
    assert through(taking(Any), (1, (2,)))[0] == ([1, [2]],)


@pytest.mark.parametrize(
    ("args", "kwargs", "problem"),
    [
        ((), {}, "missing argument user_id"),
        ((1, 2), {}, "takes 1 positional argument, got 2"),
        ((1,), {"user_id": 2}, "argument user_id is given twice, by position and by name"),
        ((), {"usr_id": 1}, "unexpected argument usr_id. Did you mean user_id?"),
        (
            (1,),
            {"queue": "mail"},
            "unexpected argument queue. "
            "Options of the job go before: .using(queue=...).enqueue(...)",
        ),
        ((1,), {"zzz": 1}, "unexpected argument zzz"),
        ((1,), {"a\ud800\n": 1}, r"unexpected argument 'a\ud800\n'"),
        (("x",), {}, "argument user_id: expected int, got str"),
        ((True,), {}, "argument user_id: expected int, got bool"),
        ((1.0,), {}, "argument user_id: expected int, got float"),
        ((uuid.UUID(int=1),), {}, "argument user_id: expected int, got UUID"),
        (([1],), {}, "argument user_id: expected int, got list"),
        ((1,), {"template": b"x".hex}, None),
    ],
)
def test_a_call_that_does_not_fit(
    args: tuple[Any, ...], kwargs: dict[str, Any], problem: str | None
) -> None:
    message = refusal(WELCOME, *args, **kwargs)
    if problem is None:
        assert message == (
            "send_welcome: argument template: a value of type builtin_function_or_method cannot be "
            "stored as JSON. Pass a key and look the object up in the task."
        )
    else:
        assert message == f"send_welcome: {problem}\n  signature: {SIGNATURE}"


def test_several_missing_arguments_are_all_named() -> None:
    arguments = Arguments.of(lambda a, b, c=1: None, "t")
    assert refusal(arguments) == "t: missing arguments a, b\n  signature: t(a, b, c=1)"


def test_none_for_a_key_asks_whether_the_session_was_flushed() -> None:
    assert refusal(WELCOME, None) == (
        "send_welcome: argument user_id: expected int, got None. Did you forget session.flush()?"
    )


SURROGATE = (
    "contains a lone surrogate, which is not valid Unicode and PostgreSQL cannot store. "
    'Remove it, for example with text.encode(errors="replace").decode().'
)
NUL = "contains a NUL character (\\u0000), which PostgreSQL cannot store. Remove it."
DEEP = (
    "is nested more than 100 levels deep, or contains itself. "
    "Flatten the data, or pass it as a string."
)
NAN = "NaN is not JSON. Pass None or a string instead."
NAME_THE_TYPE = "Name the type in the annotation, or pass what JSON has."
NAIVE = "the datetime has no time zone. Pass an aware one, for example datetime.now(UTC)."
UNSTORABLE = "cannot be stored as JSON. Pass a key and look the object up in the task."


def nested(levels: int, innermost: Any = 0) -> Any:
    value = innermost
    for _ in range(levels):
        value = [value]
    return value


def containing_itself() -> list[Any]:
    value: list[Any] = [1]
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        (str, "a\x00b", f"argument x: {NUL}"),
        (Any, {"a": [{"b": "\x00"}]}, f"argument x.a[0].b: {NUL}"),
        (Any, {"a": {"b\x00": 1}}, f"argument x.a: {NUL}"),
        (Order, Order(1, [Line(1.0, "\x00")]), f"argument x.lines[0].note: {NUL}"),
        (Person, Person(Name="\x00"), f"argument x.name: {NUL}"),
        (str, "\ud800", f"argument x: {SURROGATE}"),
        (Any, {"a": ["ok", "\udc80"]}, f"argument x.a[1]: {SURROGATE}"),
        (Any, {"\ud800": 1}, f"argument x: {SURROGATE}"),
        (Order, Order(1, [Line(1.0, "\ud800")]), f"argument x.lines[0].note: {SURROGATE}"),
        (float, float("nan"), f"argument x: {NAN}"),
        (float | None, float("nan"), f"argument x: {NAN}"),
        (Any, [None, {"a b": float("nan")}], f"argument x[1][...]: {NAN}"),
        (Any, float("-inf"), "argument x: Infinity is not JSON. Pass None or a string instead."),
        (Order, Order(1, [Line(float("nan"))]), f"argument x.lines[0].price: {NAN}"),
        (Person, Person(Name="A", height=float("nan")), f"argument x.height: {NAN}"),
        (Any, nested(5000), f"the JSON of the arguments {DEEP}"),
        (Any, nested(101), f"the JSON of the arguments {DEEP}"),
        (list[Any], containing_itself(), f"the JSON of the arguments {DEEP}"),
        (
            int,
            10**5000,
            "argument x: has more digits than JSON numbers may have here. Pass it as a string.",
        ),
        (dt.datetime, NOON.replace(tzinfo=None), f"argument x: {NAIVE}"),
        (dt.datetime | None, NOON.replace(tzinfo=None), f"argument x: {NAIVE}"),
        (list[dt.datetime], [NOON, NOON.replace(tzinfo=None)], f"argument x[1]: {NAIVE}"),
        (dict[str, dt.datetime], {"a": NOON.replace(tzinfo=None)}, f"argument x[...]: {NAIVE}"),
        (Any, NOON, f"argument x: a datetime would come back as something else. {NAME_THE_TYPE}"),
        (Any, {1, 2}, f"argument x: a set would come back as something else. {NAME_THE_TYPE}"),
        (
            dict[str, Any],
            {"a": [frozenset()]},
            f"argument x.a[0]: a frozenset would come back as something else. {NAME_THE_TYPE}",
        ),
        (
            Any,
            Line(1.0),
            f"argument x: a Line would come back as something else. {NAME_THE_TYPE}",
        ),
        (
            Any,
            {"a": [uuid.UUID(int=1)]},
            f"argument x.a[0]: a UUID would come back as something else. {NAME_THE_TYPE}",
        ),
        (
            dict[str, Any],
            {"a": {1: 2}},
            f"argument x.a: keys of type int would come back as strings. {NAME_THE_TYPE}",
        ),
        (dict, {1: 2}, f"argument x: keys of type int would come back as strings. {NAME_THE_TYPE}"),
        (Any, {(1, 2): 3}, "argument x: keys of type tuple cannot be stored as JSON. Use strings."),
        (Any, Uncomparable(), f"argument x: a value of type Uncomparable {UNSTORABLE}"),
        (Any, {"file": io.BytesIO()}, f"argument x.file: a value of type BytesIO {UNSTORABLE}"),
        (
            list[Point],
            [Point(1, y=Undeclared())],  # type: ignore[arg-type]  # the mistake to be told
            f"argument x[0].y: a value of type Undeclared {UNSTORABLE}",
        ),
        (Colour, 5, "argument x: expected Colour, got int\n  signature: t(x: Colour)"),
        (Literal["a", "b"], "c", "argument x: is none of the allowed values"),
        (Annotated[int, msgspec.Meta(ge=4)], 1, "argument x: expected int >= 4"),
        (uuid.UUID, "abc", "argument x: is no valid UUID"),
        (Order, 5, "argument x: expected Order, got int\n  signature: t(x: Order)"),
        (
            Order | None,
            [5],
            "argument x: expected Order | None, got list\n  signature: t(x: Order | None)",
        ),
        (
            Order,
            Order(1, [Line(1.0), Line(1.0), Line("9.99")]),  # type: ignore[arg-type]  # the mistake to be told
            "argument x.lines[2].price: expected float, got str\n  signature: t(x: Order)",
        ),
        (Order, {"id": 1}, "argument x: missing field lines"),
        (dict[int, str], {"a": "b"}, "argument x: a key: expected int, got str"),
        (tuple[int, int], (1,), "argument x: expected list of length 2"),
        (Person, {"Name": 5}, "argument x.Name: Input should be a valid string (Person)"),
        (
            list[Person],
            [Person(Name="A"), {"Name": "R2D2"}],
            "argument x[1].Name: refused by a validator (Person)",
        ),
        (Person, None, "argument x: Input should be an object (Person)"),
    ],
    ids=kind_of,
)
def test_a_value_that_does_not_fit(annotation: Any, value: Any, message: str | None) -> None:
    told = refusal(taking(annotation), value)
    if message is not None:
        assert told == f"t: {message}"


def test_what_a_class_refuses_is_told_without_its_words() -> None:
    message = "t: argument x: was refused with ValueError"
    percent = Percent(1)
    percent.value = 4711
    assert refusal(taking(Percent), percent) == message


def test_messages_never_show_a_value() -> None:
    secret = "s3cr3t\u00e9"
    cases: list[tuple[Any, Any]] = [
        (int, secret),
        (Colour, secret),
        (Literal["a"], secret),
        (uuid.UUID, secret),
        (dt.datetime, secret),
        (dict[int, int], {secret: 1}),
        (dict[str, int], {secret: secret}),
        (Any, {secret + " ": float("nan")}),
        (Any, secret + "\x00"),
        (Any, secret + "\ud800"),
        (Person, {"Name": secret + "1"}),
        (Person, {"Name": "A", "born": secret}),
        (Annotated[str, msgspec.Meta(max_length=2)], secret),
        (Annotated[str, msgspec.Meta(pattern="^x")], secret),
    ]
    for annotation, value in cases:
        assert "s3cr3t" not in refusal(taking(annotation), value)


def test_an_error_of_a_class_brings_no_cause_that_shows_the_value() -> None:
    with pytest.raises(InvalidArguments) as caught:
        taking(Person).encode(({"Name": "R2D2"},), {}, max_bytes=MEBIBYTE)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_too_many_bytes() -> None:
    arguments = Arguments.of(lambda a: None, "t")
    assert refusal(arguments, "x" * 2_000_000) == (
        "t: the JSON of the arguments takes 2000009 bytes, at most 1048576 are allowed. "
        "Store the data in a table of yours and pass its key, or raise max_args_bytes."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "missing argument user_id"),
        ('{"user_id":1,"usr":2}', "unexpected argument usr. Did you mean user_id?"),
        ('{"user_id":1,"":2}', "unexpected argument ''"),
        ('{"user_id":1,"\\u001b[2J":2}', r"unexpected argument '\x1b[2J'"),
        ('{"user_id":null}', "argument user_id: expected int, got None"),
        ('{"user_id":"1"}', "argument user_id: expected int, got str"),
        ('{"user_id":1e5000}', "argument user_id: is a number out of range"),
        ('{"user_id":1' + "0" * 5000 + "}", "argument user_id: is a number out of range"),
        ('{"user_id":' + "[" * 5000 + "]" * 5000 + "}", "argument user_id: expected int, got list"),
        ("[]", "the JSON of the arguments expected object, got list"),
        ("null", "the JSON of the arguments expected object, got None"),
        ('{"user_id":1', "the JSON of the arguments is malformed"),
        (b'{"user_id":1,"template":"\xff"}', "the JSON of the arguments is malformed"),
        ("", "the JSON of the arguments is malformed"),
    ],
)
def test_a_poisoned_row_is_told(text: str | bytes, message: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        WELCOME.decode(text)
    assert str(caught.value) == f"send_welcome: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"x":1e5000}', "argument x: is a number out of range"),
        ('{"x":1' + "0" * 5000 + "}", "argument x: is a number out of range"),
        ('{"x":' + "[" * 5000 + "]" * 5000 + "}", f"the JSON of the arguments {DEEP}"),
        ('{"x":' + '{"a":' * 5000 + "1" + "}" * 5001, f"the JSON of the arguments {DEEP}"),
    ],
)
def test_a_poisoned_row_without_an_annotation_is_told(text: str, message: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        taking(Any).decode(text)
    assert str(caught.value) == f"t: {message}"


def test_of_duplicate_keys_the_last_counts_as_in_jsonb() -> None:
    assert WELCOME.decode('{"user_id":1,"user_id":2}')[0] == (2,)


def test_a_class_that_raises_anything_is_still_an_invalid_argument() -> None:
    @dataclasses.dataclass
    class Broken:
        a: int

        def __post_init__(self) -> None:
            raise KeyError("whatever")

    with pytest.raises(InvalidArguments, match="was refused with KeyError"):
        taking(Broken).decode('{"x":{"a":1}}')


def declared(function: Callable[..., Any]) -> str:
    with pytest.raises(UsageError) as caught:
        Arguments.of(function, "t")
    return str(caught.value)


def with_unknown_name(x: "Nowhere") -> None:  # type: ignore[name-defined]  # noqa: F821 - the mistake to be told
    ...


def with_unknown_result(x: int) -> "Nowhere":  # type: ignore[name-defined]  # noqa: F821 - the mistake to be told
    ...


UNRESOLVED = (
    "cannot be resolved: name 'Nowhere' is not defined. Define or import the type where the "
    "module's own code can see it, not inside a function or under TYPE_CHECKING."
)
UNTRAVELLED = (
    "values of type Undeclared cannot travel as JSON. Use a key and look the object up, or a "
    "dataclass, msgspec Struct, TypedDict, attrs class or pydantic model."
)


def with_object(x: Undeclared) -> None: ...
def with_nested_object(x: dict[str, list[Undeclared | None]]) -> None: ...
def with_result(x: int) -> Undeclared:
    return Undeclared()


def with_stars(*names: int) -> None: ...
def with_keywords(a: int, **names: int) -> None: ...
def with_mixture(x: Order | Point) -> None: ...
def with_underscores(__x: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (with_object, f"t: argument x: {UNTRAVELLED}"),
        (with_nested_object, f"t: argument x: {UNTRAVELLED}"),
        (with_result, f"t: its result: {UNTRAVELLED}"),
        (with_unknown_name, f"t: the annotation of x {UNRESOLVED}"),
        (with_unknown_result, f"t: the annotation of its result {UNRESOLVED}"),
        (
            with_stars,
            "t: *names has no names to store the arguments under. "
            "Take one argument instead: names: list[...].",
        ),
        (
            with_keywords,
            "t: **names has no names to store the arguments under. "
            "Take one argument instead: names: dict[str, ...].",
        ),
        (with_underscores, "t: argument __x: names with two underscores are reserved. Rename it."),
    ],
)
def test_a_declaration_that_cannot_work(function: Callable[..., Any], message: str) -> None:
    assert declared(function) == message


def test_a_union_that_cannot_be_told_apart_is_refused_at_declaration() -> None:
    message = declared(with_mixture)
    assert message.startswith("t: argument x cannot travel as JSON. Type unions may not contain")
    assert "Union[Order, Point]" in message


def test_results() -> None:
    assert WELCOME.encode_result(None, max_bytes=10) is None
    assert WELCOME.decode_result(None) is None
    text = WELCOME.encode_result("done", max_bytes=10)
    assert text == '"done"'
    assert WELCOME.decode_result(text) == "done"
    with pytest.raises(UsageError) as caught:
        WELCOME.encode_result(5, max_bytes=10)
    assert str(caught.value) == "send_welcome: result: expected str, got int"
    with pytest.raises(UsageError) as caught:
        WELCOME.encode_result("x" * 10, max_bytes=10)
    assert str(caught.value) == (
        "send_welcome: the JSON of the result takes 12 bytes, at most 10 are allowed. "
        "Store the data in a table of yours and return its key, or raise max_result_bytes."
    )


def test_a_result_is_typed_by_its_annotation() -> None:
    def task() -> list[Order]:
        return [Order(1, [Line(2.0)])]

    arguments = Arguments.of(task, "t")
    text = arguments.encode_result(task(), max_bytes=1000)
    assert arguments.decode_result(text) == task()
    with pytest.raises(UsageError, match=r"^t: result\[0\].lines\[0\].price: NaN is not JSON"):
        arguments.encode_result([Order(1, [Line(float("nan"))])], max_bytes=1000)


def test_a_result_without_annotation_is_plain_json() -> None:
    arguments = Arguments.of(lambda: NOON, "t")
    assert arguments.encode_result(NOON, max_bytes=1000) == '"2026-11-22T12:00:00Z"'
    with pytest.raises(UsageError, match="t: result: a value of type BytesIO cannot be stored"):
        arguments.encode_result(io.BytesIO(), max_bytes=1000)


def test_json_schema() -> None:
    def task(a: int, b: Person | None = None, *, c: Any = Undeclared()) -> None:  # noqa: B008 - a default that is no JSON
        ...

    schema = Arguments.of(task, "t").json_schema()
    body = schema["$defs"]["t"]
    assert body["required"] == ["a"]
    assert body["additionalProperties"] is False
    assert body["properties"]["a"] == {"type": "integer"}
    assert "Person" in schema["$defs"]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), inner
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_any_json_value_round_trips(value: Any) -> None:
    assert through(taking(Any), value) == ((value,), {})


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    | st.datetimes() | st.decimals() | st.uuids() | st.complex_numbers(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner)
    | st.dictionaries(st.text() | st.integers() | st.none() | st.tuples(st.integers()), inner)
    | st.builds(Order, inner, inner),
    max_leaves=10,
)  # fmt: skip


@given(
    anything, st.sampled_from([Any, int, str, Order, dict[str, Any], list[float | None], Person])
)
def test_encode_raises_nothing_but_invalid_arguments(value: Any, annotation: Any) -> None:
    arguments = taking(annotation)
    try:
        text = arguments.encode((value,), {}, max_bytes=1000)
    except InvalidArguments:
        return
    arguments.decode(text)


@given(st.text() | st.binary())
def test_decode_raises_nothing_but_invalid_arguments(text: str | bytes) -> None:
    try:
        WELCOME.decode(text)
    except InvalidArguments:
        return


def as_floats(value: Any) -> Any:
    """PostgreSQL prints 1e16 in full, so that it is read as an integer where no type is named."""
    if isinstance(value, list | tuple):
        return [as_floats(part) for part in value]
    if isinstance(value, dict):
        return {key: as_floats(part) for key, part in value.items()}
    return float(value) if isinstance(value, int) and abs(value) >= 10**15 else value


def test_what_is_accepted_postgresql_accepts(
    connection: psycopg.Connection[Any],
) -> None:
    arguments = taking(Any)

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(anything)
    def accepted(value: Any) -> None:
        try:
            text = arguments.encode((value,), {}, max_bytes=2000)
        except InvalidArguments:
            return
        row = connection.execute(
            "SELECT args::text FROM (SELECT %s::jsonb AS args) AS given, "
            "LATERAL pgqueue.check_args(args, 2000)",
            (text,),
        ).fetchone()
        assert row is not None
        assert as_floats(arguments.decode(row[0])) == as_floats(arguments.decode(text))

    accepted()
