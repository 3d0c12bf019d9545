"""DSNs come in as people write them, and never go out with a password."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pgqueue import InvalidOption, PgQueue, UsageError
from pgqueue.database.dsn import display_dsn, normalise_dsn

SECRET = "geheim-1847"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("postgresql+psycopg://u@h/d", "postgresql://u@h/d"),
        ("postgresql+psycopg2://u@h/d", "postgresql://u@h/d"),
        ("postgres+asyncpg://u@h/d", "postgresql://u@h/d"),
        ("  postgresql://u@h/d?port=1 \n", "postgresql://u@h/d?port=1"),
        ("postgres://u@h/d", "postgres://u@h/d"),
        ("host=h dbname=d", "host=h dbname=d"),
        ("", ""),
    ],
)
def test_urls_of_sqlalchemy_are_understood(written: str, meant: str) -> None:
    assert normalise_dsn(written) == meant
    assert PgQueue(written).dsn == meant


@pytest.mark.parametrize("dsn", [5, "localhost:5432/shop", "postgresql://u:%zzsecret@h/d"])
def test_a_dsn_that_cannot_be_read_is_refused_at_once(dsn: Any) -> None:
    with pytest.raises(InvalidOption) as caught:
        PgQueue(dsn)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://u:{SECRET}@h:5433/d",
        f"postgresql+asyncpg://u:{SECRET}@h/d",
        f"postgresql://u@h/d?password={SECRET}",
        f"postgresql://h/d?sslpassword={SECRET}",
        f"host=h password='{SECRET} with space' dbname=d",
        f"postgresql://u:{SECRET}@[bad/d",
        f"postgresql://u:{SECRET}@h:port:5/d",
        f"password={SECRET} dbname",
        f"password={SECRET} no_such_key=1",
        f"postgresql://u:{SECRET}@h/d?no_such_key=1",
        f"mysql://u:{SECRET}@h/d",
        f"//u:{SECRET}@h",
        f"u:{SECRET}@h/d",
        f"postgresql://u:%zz{SECRET}@h/d",
    ],
)
def test_the_password_is_never_shown(dsn: str) -> None:
    assert SECRET not in display_dsn(dsn)


def test_the_rest_is_shown() -> None:
    shown = display_dsn(f"postgresql://ada:{SECRET}@db.example:5433/shop?sslmode=require")
    assert set(shown.split()) == {
        *("user=ada", "password=***", "host=db.example", "port=5433"),
        *("dbname=shop", "sslmode=require"),
    }
    assert display_dsn("") == "(the defaults of libpq: PGHOST, PGDATABASE, …)"
    assert display_dsn("nonsense") == "(a DSN that cannot be read)"


@given(st.text())
def test_display_never_raises(dsn: str) -> None:
    assert display_dsn(dsn)
    assert display_dsn(f"postgresql://u:{dsn}@h/d")


def test_an_application_is_pointed_elsewhere_before_it_connects() -> None:
    app = PgQueue("postgresql://h/a")
    app.configure(dsn="postgresql+psycopg://h/b")
    assert app.dsn == "postgresql://h/b"


@pytest.mark.database
def test_but_not_after(dsn: str) -> None:
    app = PgQueue(dsn)
    app.job(1).cancel()
    with pytest.raises(UsageError) as caught:
        app.configure(dsn="postgresql://h/b")
    assert str(caught.value) == (
        "the application is connected already: close() it before configure()."
    )
    app.close()
    app.configure(dsn="postgresql://h/b")
