"""Actions on jobs: the preview, what they do, who may, what stands in the audit."""

from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from pgqueue.dashboard.access import Anybody
from tests.support import claim, complete, enqueue, job, register, state, value
from tests.support.dashboards import client, served
from tests.support.jobs import refuse
from tests.support.states import charge, one_of_each

Connection = psycopg.Connection[Any]
DONE = {
    "retry": ({"dead", "cancelled"}, "queued"),
    "run_now": ({"scheduled", "retrying"}, "queued"),
    "cancel": ({"queued", "scheduled", "retrying", "blocked"}, "cancelled"),
    "reschedule": ({"queued", "blocked"}, "scheduled"),
    "delete": ({"dead", "cancelled", "succeeded"}, None),
}
MORE = {"reschedule": {"run_at": "+1h"}, "set_priority": {"priority": "7"}}


def act(http: httpx.Client, action: str, **fields: Any) -> httpx.Response:
    return http.post("/jobs/act", data={"action": action} | MORE.get(action, {}) | fields)


@pytest.mark.parametrize("action", DONE)
def test_each_action_does_it_to_the_states_that_it_is_for(
    http: httpx.Client, connection: Connection, action: str
) -> None:
    made = one_of_each(connection)
    before = {id: state(connection, id) for id in made.values()}
    states, after = DONE[action]
    answer = act(http, action, id=list(made.values()), reason="a test")
    assert answer.status_code == 303, answer.text
    for name, id in made.items():
        expected = after if name in states else before[id]
        if name == "retrying" and action == "reschedule":
            expected = "retrying"
        assert state(connection, id) == expected, name


def test_the_priority_is_changed_in_line_and_at_the_gate(
    http: httpx.Client, connection: Connection
) -> None:
    made = one_of_each(connection)
    act(http, "set_priority", id=list(made.values()))
    found = {name: job(connection, id)["priority"] for name, id in made.items()}  # type: ignore[index]
    waiting = {"queued", "scheduled", "retrying", "blocked"}
    assert found == {name: 7 if name in waiting else 0 for name in made}
    assert value(connection, "SELECT priority FROM pgqueue.gate WHERE state <> 'ended'") == 7


def test_a_rescheduled_job_waits_for_its_time(http: httpx.Client, connection: Connection) -> None:
    id = enqueue(connection)
    act(http, "reschedule", id=id, run_at="2031-05-06T07:08")
    found = job(connection, id)
    assert found is not None
    assert found["run_at"].isoformat() == "2031-05-06T07:08:00+00:00"
    assert claim(connection, register(connection)) == []


def test_a_running_job_is_asked_to_stop(http: httpx.Client, connection: Connection) -> None:
    id = one_of_each(connection)["running"]
    act(http, "cancel", id=id, reason="wrong card")
    found = job(connection, id)
    assert found is not None
    assert (found["state"], found["reason"]) == ("running", "wrong card")
    assert "asked to stop" in http.get("/jobs?q=state:running").text


def test_deleting_takes_the_errors_too(http: httpx.Client, connection: Connection) -> None:
    id = one_of_each(connection)["dead"]
    answer = act(http, "delete", id=id)
    assert answer.headers["location"].startswith("/jobs?told=Deleted+1+job.")
    assert value(connection, "SELECT count(*) FROM pgqueue.failure WHERE job_id = %s", id) == 0


def test_the_preview_tells_how_many_and_what_will_happen(
    http: httpx.Client, connection: Connection
) -> None:
    made = one_of_each(connection)
    for _ in range(12):
        enqueue(connection)
    before = [tuple(row) for row in connection.execute("SELECT * FROM pgqueue.jobs ORDER BY id")]
    answer = http.get("/jobs/act", params={"action": "cancel", "all": "1", "q": "task:t"})
    assert "<strong>12</strong>: each is cancelled at once" in answer.text
    assert "Cancel: 12 jobs</button>" in answer.text
    chosen = [made["dead"], made["queued"]]
    answer = http.get("/jobs/act", params={"action": "retry", "id": chosen})
    assert "Retry: 1 job</button>" in answer.text
    assert "in their state: <strong>1</strong>" in answer.text
    answer = http.get("/jobs/act", params={"action": "retry", "all": "1", "q": "task:t"})
    assert "There is nothing to do" in answer.text
    assert [
        tuple(r) for r in connection.execute("SELECT * FROM pgqueue.jobs ORDER BY id")
    ] == before


def test_all_that_match_are_those_that_were_counted(
    http: httpx.Client, connection: Connection
) -> None:
    old = enqueue(connection)
    later = enqueue(connection)
    act(http, "cancel", all="1", q="task:t", newest=old, state="queued")
    assert (state(connection, old), state(connection, later)) == ("cancelled", "queued")


def test_what_changed_its_state_meanwhile_is_left_alone(
    http: httpx.Client, connection: Connection
) -> None:
    first, second = enqueue(connection), enqueue(connection)
    claim(connection, register(connection))
    answer = act(http, "cancel", id=[first, second], state="queued")
    assert answer.status_code == 303
    assert "Cancelled+1+job." in answer.headers["location"]
    assert "changed" in answer.headers["location"]
    found = job(connection, first)
    assert found is not None
    assert (found["state"], found["cancel_requested_at"]) == ("running", None)


def test_a_locked_job_is_passed_over(
    http: httpx.Client, connection: Connection, other: Connection
) -> None:
    """Somebody is ending it: waiting would keep the other jobs waiting, too."""
    first, second = enqueue(connection), enqueue(connection)
    with other.transaction():
        other.execute("SELECT FROM pgqueue.job WHERE id = %s FOR UPDATE", [first])
        assert act(http, "cancel", id=[first, second]).status_code == 303
    assert (state(connection, first), state(connection, second)) == ("queued", "cancelled")


def test_a_key_that_another_job_has_is_no_error(http: httpx.Client, connection: Connection) -> None:
    flow = {"unique": {"key": "k"}}
    dead = enqueue(connection, flow=flow)
    connection.execute("SELECT pgqueue.cancel(%s)", [dead])
    enqueue(connection, flow=flow)
    answer = act(http, "retry", id=dead)
    assert "Retried+0+jobs." in answer.headers["location"]


def test_each_action_stands_in_the_audit(http: httpx.Client, connection: Connection) -> None:
    made = one_of_each(connection)
    act(http, "retry", id=[made["dead"], made["cancelled"]], reason="the bank is back")
    act(http, "cancel", all="1", q="task:charge_card", reason="")
    act(http, "set_priority", id=made["scheduled"])
    query = "SELECT actor, via, action, target, jobs, reason FROM pgqueue.audit ORDER BY id"
    retried, cancelled, changed = connection.execute(query).fetchall()
    ids = sorted([made["dead"], made["cancelled"]])
    assert retried == ("tester", "dashboard", "retry", {"ids": ids}, 2, "the bank is back")
    assert cancelled[2:4] == ("cancel", {"search": "task:charge_card"})
    assert changed[2:5] == ("set_priority", {"ids": [made["scheduled"]], "priority": 7}, 1)


def test_nothing_is_done_that_cannot_be_recorded(
    http: httpx.Client, connection: Connection
) -> None:
    id = enqueue(connection)
    connection.execute("ALTER TABLE pgqueue.audit RENAME TO elsewhere")
    answer = act(http, "cancel", id=id)
    assert answer.status_code == 503
    assert "Run: pgqueue migrate" in answer.text
    assert state(connection, id) == "queued"


def test_what_a_trigger_refuses_is_a_sentence(http: httpx.Client, connection: Connection) -> None:
    id = enqueue(connection)
    refuse(connection, "job_dead", "INSERT")
    answer = act(http, "cancel", id=id)
    assert answer.status_code == 400
    assert "The database refuses: no, by a trigger." in answer.text
    assert state(connection, id) == "queued"


@pytest.fixture(params=["viewer", "operator", "reads only"])
def limited(request: pytest.FixtureRequest, dsn: str) -> Iterator[tuple[str, httpx.Client]]:
    """A visitor who may not do everything, and what keeps him."""
    role: Any = "admin" if request.param == "reads only" else request.param
    with (
        served(dsn, Anybody("v", role), read_only=request.param == "reads only") as url,
        client(url) as http,
    ):
        yield request.param, http


def test_roles_are_asked_for_on_every_way_in(
    limited: tuple[str, httpx.Client], connection: Connection
) -> None:
    role, http = limited
    made = one_of_each(connection)
    before = {id: state(connection, id) for id in made.values()}
    forbidden = ["delete"] if role == "operator" else [*DONE, "set_priority"]
    for action in forbidden:
        assert act(http, action, id=list(made.values())).status_code == 403
        preview = {"action": action, "id": made["dead"]}
        assert http.get("/jobs/act", params=preview).status_code == 403
        for page in ("/jobs", f"/jobs/{made['dead']}"):
            assert f'value="{action}"' not in http.get(page).text
            assert f"action={action}&" not in http.get(page).text
    if role != "operator":
        assert http.get("/enqueue").status_code == 403
        assert http.post("/enqueue", data={"task": "t"}).status_code == 403
        assert "Enqueue…" not in http.get("/jobs").text
    assert {id: state(connection, id) for id in made.values()} == before


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "explode"},
        {"action": "retry"},
        {"action": "retry", "id": "x"},
        {"action": "retry", "id": "1;"},
        {"action": "retry", "id": [str(n) for n in range(1, 1002)]},
        {"action": "retry", "all": "1", "q": "stat:dead"},
        {"action": "retry", "id": "1", "state": "running"},
        {"action": "retry", "id": "1", "reason": "x" * 501},
        {"action": "retry", "id": "1", "reason": "\0"},
        {"action": "set_priority", "id": "1", "priority": "11"},
        {"action": "set_priority", "id": "1"},
        {"action": "reschedule", "id": "1", "run_at": "tomorrow"},
        {"action": "reschedule", "id": "1", "run_at": "-1h"},
        {"action": "reschedule", "id": "1", "run_at": "+99999999w"},
    ],
)
def test_what_no_form_of_ours_sends_is_refused(http: httpx.Client, fields: dict[str, Any]) -> None:
    answer = http.post("/jobs/act", data=fields)
    assert answer.status_code == 400
    assert 'aria-label="Pages"' in answer.text


def test_actions_leave_what_they_should_to_workers(
    http: httpx.Client, connection: Connection
) -> None:
    """A job whose priority was changed in line is claimed, and completes."""
    _, high = charge(connection), charge(connection)
    act(http, "set_priority", id=high)
    (claimed,) = claim(connection, register(connection))
    assert claimed["id"] == high
    assert complete(connection, claimed) == 1
