"""The floor of latency: a process that hears bare notifications, and notes when."""

from __future__ import annotations

import os
import time

import psycopg

from .process import DSN, await_go, orders, say
from .producer import CHANNEL

LATE = 30.0


def main() -> None:
    """Order: the `number` of notifications to wait for."""
    for order in orders():
        heard = []
        with psycopg.connect(os.environ[DSN], autocommit=True) as connection:
            connection.execute(f"LISTEN {CHANNEL}".encode())
            await_go()
            for notify in connection.notifies(timeout=LATE, stop_after=order["number"]):
                heard.append((int(notify.payload), time.monotonic_ns()))
                if len(heard) == order["number"]:
                    break
        say({"starts": heard})


if __name__ == "__main__":
    main()
