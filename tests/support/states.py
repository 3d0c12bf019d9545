"""A job in each state, as workers and operators leave them."""

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from pgqueue import PgQueue
from pgqueue.worker.declaring import declarations
from tests.support.jobs import claim, complete, enqueue, register

Connection = psycopg.Connection[Any]
TRACEBACK = """Traceback (most recent call last):
  File "shop/jobs.py", line 31, in charge_card
    gateway.charge(order, card)
  File "shop/gateway.py", line 88, in charge
    raise CardDeclined("card declined")
shop.gateway.CardDeclined: card declined
"""
FAIL = """
SELECT pgqueue.fail(%s, %s, %s::interval, 'shop.gateway.CardDeclined', 'card declined',
                    traceback => %s)
"""


def one_of_each(connection: Connection) -> dict[str, int]:
    """The ids of eight jobs, by state."""
    made = {}
    worker = register(connection, name="web-1", tasks=["charge_card", "send_receipt"])
    for state in ("succeeded", "retrying", "dead", "running"):
        made[state] = charge(connection)
        (claimed, *_) = claim(connection, worker)
        if state == "succeeded":
            complete(connection, claimed, results={str(claimed["id"]): {"receipt": "R-1042"}})
        elif state != "running":
            delay = "10 minutes" if state == "retrying" else None
            fail(connection, claimed, delay)
    made["cancelled"] = enqueue(connection, "send_receipt")
    connection.execute("SELECT pgqueue.cancel(%s, 'ordered by mistake')", [made["cancelled"]])
    made["scheduled"] = enqueue(connection, "send_receipt", run_at="2030-01-01")
    made["blocked"] = enqueue(connection, "send_receipt", flow={"order_key": "customer 42"})
    made["queued"] = charge(connection)
    return made


def charge(connection: Connection, **options: Any) -> int:
    """Enqueue a job as a shop has them."""
    args = {"order_id": 42, "card": {"number": "4111", "name": "Ada"}}
    return enqueue(connection, "charge_card", **({"args": args, "tags": ["vip"]} | options))


def fail(connection: Connection, claimed: dict[str, Any], delay: str | None = None) -> None:
    """Let an attempt fail; without a delay the job is dead."""
    connection.execute(FAIL, [claimed["id"], claimed["lease"], delay, TRACEBACK])


def declare_function(connection: Connection, function: Callable[..., Any], **options: Any) -> None:
    """Declare a task of this function and its name, as the worker of an application does."""
    app = PgQueue("postgresql://nobody@localhost/nothing")
    app.task(function, name=function.__name__, **options)
    connection.execute("SELECT pgqueue.declare_tasks(%s)", [declarations(app)])


def declare(connection: Connection, **fields: Any) -> None:
    """What a worker says of a task, charge_card unless it is told otherwise."""
    given = {
        "task": "charge_card",
        "aliases": [],
        "queue": "default",
        "signature": f"{fields.get('task', 'charge_card')}(…)",
        "redact": [],
        "max_attempts": 5,
        "priority": 0,
        "version": "1",
    } | fields
    connection.execute("SELECT pgqueue.declare_tasks(%s)", [Jsonb([given])])
