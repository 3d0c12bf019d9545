"""A database that looks as if a shop had run on it for a day, for pages and their screenshots."""

from typing import Any

import psycopg

from tests.support.jobs import claim, enqueue, register

Connection = psycopg.Connection[Any]

TASKS = (
    # task, queue, runs a minute, usual seconds of a run, of a wait, share of errors
    ("shop.jobs.send_receipt", "mail", 42.0, 0.13, 0.05, 0.004),
    ("shop.jobs.send_welcome", "mail", 9.0, 0.18, 0.06, 0.002),
    ("shop.jobs.charge_card", "payments", 14.0, 0.45, 0.03, 0.031),
    ("shop.jobs.resize_image", "images", 27.0, 1.9, 2.4, 0.008),
    ("shop.jobs.index_product", "default", 65.0, 0.04, 0.02, 0.001),
    ("shop.jobs.nightly_report", "reports", 0.02, 640.0, 1.5, 0.0),
)
STATISTICS = """
WITH minute AS (
    SELECT at, extract(epoch FROM at) AS second,
           1 + 0.6 * sin(extract(epoch FROM at) / 86400 * 2 * pi() - 1.6)
             + 0.15 * sin(extract(epoch FROM at) / 700) AS busy
    FROM generate_series(date_bin('1 minute', now() - interval '24 hours', '2000-01-01Z'),
                         now(), interval '1 minute') AS at
), ran AS (
    SELECT at, greatest(0, round(%(rate)s * busy + 3 * (random() - 0.5)
                                 * sqrt(%(rate)s * 1.0)))::integer AS jobs,
           -- An outage of twenty minutes, three hours ago.
           CASE WHEN at BETWEEN now() - interval '190 minutes' AND now() - interval '170 minutes'
                THEN 12.0 ELSE 1.0 END AS trouble,
           greatest(1, 11 + round(log(2.0, (%(run)s * 1000 / 1024)::numeric)))::integer AS run,
           greatest(1, 11 + round(log(2.0, (%(wait)s * 1000 / 1024 * busy)::numeric)))::integer
               AS wait
    FROM minute
)
INSERT INTO pgqueue.statistic (span, at, queue, task, succeeded, retried, dead, waits, runs)
SELECT interval '1 minute', at, %(queue)s, %(task)s, jobs - failed, failed - failed / 6, failed / 6,
       spread.waits, spread.runs
FROM ran, LATERAL (SELECT least(jobs, round(jobs * %(errors)s * trouble
                                            + random() * 0.6))::integer AS failed) AS f,
LATERAL (
    SELECT array_agg(round(jobs * exp(-power(n - ran.run, 2) / 1.6) / 2.2)::integer ORDER BY n)
               AS runs,
           array_agg(round(jobs * exp(-power(n - ran.wait - log(2.0, trouble::numeric), 2) / 2.4)
                           / 2.7)::integer ORDER BY n) AS waits
    FROM generate_series(1, 25) AS n) AS spread
WHERE jobs > 0
"""
_SUMS = {
    kind: ", ".join(f"sum(s.{kind}[{bucket}])::integer" for bucket in range(1, 26))
    for kind in ("waits", "runs")
}
HOURS = f"""
INSERT INTO pgqueue.statistic (span, at, queue, task, succeeded, retried, dead, waits, runs)
SELECT interval '1 hour', date_bin('1 hour', s.at, '2000-01-01Z'), s.queue, s.task,
       sum(s.succeeded), sum(s.retried), sum(s.dead),
       ARRAY[{_SUMS["waits"]}], ARRAY[{_SUMS["runs"]}]
FROM pgqueue.statistic s WHERE s.span = interval '1 minute'
GROUP BY 2, s.queue, s.task
"""
SAMPLES = """
INSERT INTO pgqueue.queue_sample (at, queue, queued, running, oldest_seconds)
SELECT at, lane.name,
       greatest(0, lane.depth * (1 + sin(extract(epoch FROM at) / 5200)) + 8 * random()
                + CASE WHEN at BETWEEN now() - interval '190 minutes'
                            AND now() - interval '150 minutes'
                       THEN 5 * lane.depth ELSE 0 END)::integer,
       round(lane.slots * (0.5 + 0.4 * random()))::integer, lane.depth * random() / 3
FROM generate_series(date_bin('1 minute', now() - interval '24 hours', '2000-01-01Z'), now(),
                     interval '1 minute') AS at,
     (VALUES ('mail', 40, 10), ('payments', 6, 8), ('images', 130, 16), ('default', 18, 12),
             ('reports', 2, 1)) AS lane(name, depth, slots)
"""
DECLARED = """
INSERT INTO pgqueue.task_declaration (task, queue, signature, doc, max_attempts, priority, timeout,
                                      cron, version, redact)
SELECT task, queue, task || arguments, doc, attempts, priority, CAST(timeout AS interval), cron,
       '0.1.0', redact
FROM (VALUES
    ('shop.jobs.send_receipt', 'mail', '(order_id: int, *, copy: bool = False)',
     'Send the receipt of an order to its customer.', 8, 0, '30 seconds', NULL, '{}'::text[]),
    ('shop.jobs.send_welcome', 'mail', '(user_id: int, *, template: str = "default")',
     'Greet somebody new.', 5, 0, '1 minute', NULL, '{}'),
    ('shop.jobs.charge_card', 'payments', '(order_id: int, card: str)',
     'Charge what an order costs.', 5, 5, '20 seconds', NULL, '{card}'),
    ('shop.jobs.resize_image', 'images', '(path: str, width: int)', NULL, 20, -2, NULL, NULL, '{}'),
    ('shop.jobs.index_product', 'default', '(product_id: int)', NULL, 20, 0, NULL, NULL, '{}'),
    ('shop.jobs.nightly_report', 'reports', '()', 'What was sold, by country.', 3, 0,
     '30 minutes', '0 2 * * *', '{}')
) AS declared(task, queue, arguments, doc, attempts, priority, timeout, cron, redact)
"""
FAILURES = """
INSERT INTO pgqueue.failure (job_id, attempt, queue, task, started_at, failed_at, error_type,
                             message, traceback, fingerprint, place)
SELECT 100000 + 1000 * %(number)s + n / 2, 1 + n %% 3, %(queue)s, %(task)s,
       at - interval '300 ms', at, %(kind)s, replace(%(message)s, 'N', (n %% 7)::text),
       %(traceback)s, %(fingerprint)s, %(place)s
FROM (SELECT n, now() - interval '1 second' * (%(span)s * power(random(), 2) + 20) AS at
      FROM generate_series(1, %(failures)s) AS n) AS made
"""
TRACEBACK = """Traceback (most recent call last):
  File "shop/jobs.py", line 31, in charge_card
    gateway.charge(order, card)
  File "shop/gateway.py", line 118, in charge
    raise CardDeclined(answer.text)
shop.gateway.CardDeclined: insufficient funds
"""
ERRORS = (
    ("CardDeclined", "insufficient funds", "gateway.py:118 in charge", 2, 84_000, 180),
    ("TimeoutError", "gateway did not answer in N s", "gateway.py:97 in post", 2, 12_000, 40),
    ("SMTPServerDisconnected", "Connection closed", "smtp.py:44 in send", 0, 11_500, 25),
    ("UnidentifiedImageError", "cannot identify image N", "images.py:12 in open", 3, 86_000, 60),
    ("WorkerLost", "worker web-2.991 was lost", None, 3, 40_000, 4),
)  # fmt: skip
"""Type, message, place, number of the task, seconds over which it happened, failures."""


def fill(connection: Connection) -> None:
    """Fill the database. Random figures are the same each time."""
    with connection.transaction():
        connection.execute("SELECT setseed(0.42)")
        for task, queue, rate, run, wait, errors in TASKS:
            given = {"task": task, "queue": queue, "rate": rate}
            given |= {"run": run, "wait": wait, "errors": errors}  # type: ignore[dict-item]
            connection.execute(STATISTICS, given)
        connection.execute(HOURS)
        connection.execute(SAMPLES)
        connection.execute(DECLARED)
        for number, (kind, message, place, task_number, span, failures) in enumerate(ERRORS):
            task, queue = TASKS[task_number][:2]
            given = {"task": task, "queue": queue, "kind": kind, "message": message}
            given |= {"place": place, "span": span, "failures": failures}  # type: ignore[dict-item]
            given |= {
                "number": number,
                "fingerprint": f"{number:016x}",
                "traceback": TRACEBACK if place else None,
            }  # type: ignore[dict-item]
            connection.execute(FAILURES, given)
        _crew(connection)
        _jobs(connection)
        _schedules(connection)
        _deeds(connection)
    connection.execute("ANALYZE")


STACKS = """job 1044 shop.jobs.resize_image, attempt 1/5, 4m 12s, in a thread
  File "/app/shop/images.py", line 31, in resize_image
    response = requests.get(url)
"""


def _crew(connection: Connection) -> None:
    tasks = [task[0] for task in TASKS]
    crew = (
        ("web-1.4711", "web-1", 4711, ["mail", "payments", "default"], 30, 14, "2 hours"),
        ("web-2.991", "web-2", 991, ["mail", "payments", "default"], 30, 22, "2 hours"),
        ("images-1.77", "images-1", 77, ["images"], 16, 16, "9 days"),
        ("batch-1.12", "batch-1", 12, ["reports", "default"], 4, 1, "40 minutes"),
    )
    for name, host, pid, queues, slots, busy, up in crew:
        worker = register(
            connection, name=name, host=host, pid=pid, version="0.1.0", queues=queues,
            tasks=tasks, concurrency=slots, lease_for="1 day",
        )  # fmt: skip
        connection.execute(
            "UPDATE pgqueue.worker SET running = %s, started_at = now() - CAST(%s AS interval), "
            "seen_at = now() - interval '1.4 seconds' WHERE id = %s",
            [busy, up, worker],
        )
    connection.execute("SELECT pgqueue.ask_dump(min(id), 'ada') FROM pgqueue.worker")
    connection.execute("SELECT pgqueue.write_dump(worker_id, %s) FROM pgqueue.dump", [STACKS])
    lost = register(connection, name="old-9.12", host="old-9", pid=12, version="0.0.9", tasks=tasks)
    connection.execute(
        "UPDATE pgqueue.worker SET seen_at = now() - interval '41 seconds' WHERE id = %s", [lost]
    )


def _jobs(connection: Connection) -> None:
    waiting = {"mail": 120, "payments": 3, "images": 261, "default": 34, "reports": 88}
    for task, queue, *_ in TASKS:
        for number in range(min(waiting[queue], 40)):
            enqueue(connection, task, queue=queue, args={"order_id": number})
    for _ in range(6):
        enqueue(connection, TASKS[0][0], queue="mail", run_at="2099-01-01T00:00Z")
    worker = connection.execute("SELECT min(id) FROM pgqueue.worker").fetchone()
    assert worker is not None
    for queue in ("mail", "payments", "images"):
        claim(connection, worker[0], 4, queue)
    connection.execute(
        "INSERT INTO pgqueue.job_dead (id, state, run_at, enqueued_at, started_at, finished_at, "
        "priority, attempt, max_attempts, queue, task, args) "
        "SELECT 100000 + n, 'dead', now() - interval '3 hours', now() - interval '3 hours', "
        "now() - interval '1 minute' * (n + 1), now() - interval '1 minute' * n, 0, 5, 5, "
        "'payments', 'shop.jobs.charge_card', '{}' FROM generate_series(0, 16) AS n"
    )
    connection.execute(
        "SELECT pgqueue.pause_queue('reports', 'stocktaking', 'ada', now() + interval '2 hours')"
    )
    connection.execute("SELECT pgqueue.pause('tag', 'newsletter', 'legal asked', 'grace')")
    connection.execute("SELECT pgqueue.set_limit('queue:images', concurrency => 16)")
    connection.execute(
        "SELECT pgqueue.set_limit('queue:payments', concurrency => 20, rate => 100, "
        "per => interval '1 minute')"
    )


def _schedules(connection: Connection) -> None:
    made = (
        ("shop.jobs.nightly_report", "shop.jobs.nightly_report", "0 2 * * *", "Europe/Warsaw"),
        ("hourly-index", "shop.jobs.index_product", "15 * * * *", "UTC"),
        ("sweep", "shop.jobs.sweep_carts", "*/5 9-17 * * 1-5", "America/New_York"),
    )
    for name, task, cron, zone in made:
        connection.execute(
            "SELECT pgqueue.put_schedule(name => %s, task => %s, cron => %s, timezone => %s, "
            "declared => %s)",
            [name, task, cron, zone, name == task],
        )
        connection.execute(
            "UPDATE pgqueue.schedule SET next_at = now() + interval '131 minutes' WHERE name = %s",
            [name],
        )
        connection.execute(
            "INSERT INTO pgqueue.tick (schedule, tick, job_id, note) SELECT %s, "
            "now() - interval '1 hour' * n, CASE n WHEN 4 THEN NULL WHEN 2 THEN 100003 "
            "ELSE 1 + n END, CASE WHEN n = 4 THEN 'skipped: job 7 was not finished' END "
            "FROM generate_series(1, 8) AS n",
            [name],
        )
    connection.execute("SELECT pgqueue.pause_schedule('hourly-index', 'search moves', 'ada')")


def _deeds(connection: Connection) -> None:
    connection.execute(
        "SELECT pgqueue.record_action('ada', 'dashboard', 'pause_queue', "
        '\'{"queue": "reports", "seconds": 7200}\', NULL, \'warehouse moves\')'
    )
    connection.execute(
        "SELECT pgqueue.record_action('grace@ops-1', 'cli', 'retry', "
        "'{\"task\": \"shop.jobs.charge_card\"}', 17, 'the gateway is back')"
    )
    connection.execute(
        "SELECT pgqueue.record_action('=cmd()', 'python', 'set_limit', "
        '\'{"queue": "images", "concurrency": 16}\', NULL, \'-1+2\')'
    )
