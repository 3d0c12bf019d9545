"""PgBouncer in transaction mode, in front of the test's server."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.support.waiting import eventually

CONFIGURATION = """\
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
logfile = {directory}/pgbouncer.log
pidfile = {directory}/pgbouncer.pid
"""


def find_bouncer() -> str | None:
    """The program, which Debian keeps out of the ordinary path."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")


@contextmanager
def bouncer(dsn: str) -> Iterator[str]:
    """A DSN that leads to the same database through a PgBouncer with four server connections."""
    made = TemporaryDirectory(prefix="pgqueue-bouncer-")
    with made as directory, _running(dsn, Path(directory)) as through:
        yield through


def _owner_of_socket(host: object, port: object) -> str | None:
    """Who may use the server's Unix socket, which may lie in a private directory."""
    socket_path = Path(str(host)) / f".s.PGSQL.{port}"
    return pwd.getpwuid(socket_path.stat().st_uid).pw_name if socket_path.exists() else None


@contextmanager
def _running(dsn: str, directory: Path) -> Iterator[str]:
    program = find_bouncer()
    assert program is not None
    given = conninfo_to_dict(dsn)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = probe.getsockname()[1]
    host, port = given.get("host"), given.get("port") or 5432
    # "auth_type = any" logs everybody in as the one user that the database line names.
    text = CONFIGURATION.format(host=host, port=port, listen=listen, directory=directory)
    who = f"user={given['user']}" + (
        f" password={given['password']}" if "password" in given else ""
    )
    text = text.replace(f"port={port}\n", f"port={port} {who}\n", 1)
    (directory / "pgbouncer.ini").write_text(text)
    user = None
    if os.geteuid() == 0:  # it refuses to run as root
        user = _owner_of_socket(host, port) or pwd.getpwnam("nobody").pw_name
        for path in (directory, directory / "pgbouncer.ini"):
            shutil.chown(path, user)
    process = subprocess.Popen(
        [program, str(directory / "pgbouncer.ini")],
        user=user,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    through = make_conninfo("", **{**given, "host": "127.0.0.1", "port": listen})

    def answers() -> bool:
        assert process.poll() is None, (directory / "pgbouncer.log").read_text()
        try:
            psycopg.connect(through, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    try:
        eventually(answers, what="PgBouncer answers")
        yield through
    finally:
        process.terminate()
        process.wait(10)
