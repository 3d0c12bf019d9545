"""Whatever stands in an address or a form: an answer, and never an error of ours."""

from typing import Any
from urllib.parse import quote, urlencode

import httpx
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Route

from pgqueue.dashboard.pages import routes
from tests.support.dashboards import client, served
from tests.support.states import one_of_each

Connection = psycopg.Connection[Any]
PATHS = sorted(
    (route.path, "POST" if "POST" in (route.methods or ()) else "GET")
    for route in routes()
    if isinstance(route, Route) and not route.path.startswith(("/changes", "/static"))
)
WORDS = (
    "q id ids after before since until window state queue task tag told action reason run_at "
    "priority newest all actor via limit page job as name args rate per for concurrency length"
)
NAMES = st.sampled_from(WORDS.split())
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VALUES = TEXT | st.sampled_from(
    [
        "-1",
        "0",
        "9" * 30,
        "1e9",
        "NaN",
        "-2h",
        "9999-12-31",
        "0001-01-01",
        "\0",
        "a:b:c",
        '"',
        "%s",
        "{}",
    ]
)
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=5)


@pytest.mark.timeout(600)
def test_there_is_always_an_answer(dsn: str, connection: Connection) -> None:
    one_of_each(connection)
    with served(dsn) as url, client(url) as http:

        @settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(st.sampled_from(PATHS), PAIRS, PAIRS, st.integers(0, 2**70), TEXT)
        def ask(
            where: tuple[str, str],
            query: list[tuple[str, str]],
            form: list[tuple[str, str]],
            id: int,
            name: str,
        ) -> None:
            path, method = where
            path = path.replace("{id:int}", str(id)).replace("{name:path}", quote(name, safe=""))
            given_form = {"content": urlencode(form)} if method == "POST" else {}
            answer = http.request(
                method,
                f"{path}?{urlencode(query)}",
                headers={"content-type": "application/x-www-form-urlencoded"},
                **given_form,  # type: ignore[arg-type]
            )
            assert answer.status_code < 500, (path, answer.text)
            assert "This page failed" not in answer.text

        ask()


def test_no_number_is_too_large(http: httpx.Client) -> None:
    for path in (
        "/jobs/9223372036854775808",
        "/audit?before=-1",
        "/operations/99999999999999999999",
    ):
        assert http.get(path).status_code in (400, 404, 405), path
