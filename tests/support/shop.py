"""A shop with some work behind it and some ahead, for looking at."""

import random
from typing import Annotated, Any, Literal

import psycopg
from msgspec import Meta

from tests.support.jobs import claim, complete, enqueue, register
from tests.support.states import charge, declare_function, fail, one_of_each

Connection = psycopg.Connection[Any]
TASKS = ("send_receipt", "resize_image", "sync_inventory", "charge_card")


def sync_inventory(
    warehouse: Literal["Lisbon", "Oslo"],
    since: Annotated[str, Meta(description="A day such as 2026-11-22.")],
    dry: bool = False,
    shelves: list[int] | None = None,
) -> None:
    """Bring the shelves up to date."""


def open_shop(connection: Connection) -> dict[str, int]:
    """The ids of a job in each state, by state, among others."""
    chosen = random.Random(7)
    worker = register(
        connection, name="web-1.4711", host="web-1", tasks=list(TASKS), queues=["default", "email"]
    )
    for number in range(60):
        queue = "email" if number % 3 == 0 else "default"
        enqueue(
            connection,
            chosen.choice(TASKS),
            queue=queue,
            args={"order_id": 1000 + number},
            tags=["vip"] if number % 5 == 0 else None,
        )
        for claimed in claim(connection, worker, 1, queue):
            if number % 9 == 4:
                fail(connection, claimed, "10 minutes" if number % 2 else None)
            else:
                complete(
                    connection, claimed, queue=queue, results={str(claimed["id"]): {"sent": True}}
                )
    connection.execute(
        "UPDATE pgqueue.job_done SET enqueued_at = finished_at - interval '8 s', "
        "started_at = finished_at - random() * interval '3 s'"
    )
    connection.execute(
        "UPDATE pgqueue.job_dead SET started_at = finished_at - random() * interval '3 s'"
    )
    made = one_of_each(connection)
    _order(connection)
    declare_function(connection, sync_inventory)
    for _ in range(3):
        charge(connection, queue="email", priority=5)
    return made


def _order(connection: Connection) -> None:
    """Two operations: one that goes on, and one whose dashboard has died."""
    order = """
        INSERT INTO pgqueue.operation (action, filter, actor, reason, jobs, states, total, place,
                                       done, failed, runner, seen_at)
        VALUES (%s, %s, 'ann', %s, '{}', '{dead}', %s, %s, %s, %s, 1, now() - %s::interval)"""
    lost = ["delete", "state:dead task:resize_image", None, 4200, 1500, 1488, 0, "2 minutes"]
    goes = ["retry", 'error:"card declined"', "the bank is back", 9800, 6500, 6420, 2, "0 s"]
    for values in (lost, goes):
        connection.execute(order, values)
