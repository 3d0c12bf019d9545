"""From a directory to a server that answers: cluster, port, start, patience, explanation."""

import os
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg import sql

from .accounts import Account
from .binaries import Binaries, find_binaries
from .cluster import SUPERUSER, initdb_commands, server_command
from .directory import SOCKET_PORT, Record, ServerDirectory
from .errors import EmbeddedServerError
from .keeper import Keeper

PAUSE = 0.02  # seconds between two attempts to connect
PORT_TAKEN = "Address already in use"
PREDECESSOR_LINGERS = "pre-existing shared memory block"


@dataclass(frozen=True)
class Launcher:
    """Starts the server of one directory, whose lock the caller holds."""

    directory: ServerDirectory
    binaries: Binaries
    account: Account | None
    durable: bool
    settings: Mapping[str, str]
    tcp: bool
    port: int | None
    timeout: float

    def launch(self, keeper: Keeper, owner: int | None) -> None:
        """Make the cluster if there is none, start the server, wait until it answers."""
        deadline = time.monotonic() + self.timeout
        self.directory.clear_leftovers(self.account)
        self._check_major()
        if not self.directory.pgdata.exists():
            self._make_cluster(keeper)
        while True:
            record = self._choose_address(owner)
            self.directory.write_record(record)
            problem = self._start(keeper, record, deadline)
            if problem is None:
                return
            if PORT_TAKEN in problem and self.port is None:
                self.directory.write_record(Record(password=record.password, owner=owner))
            elif PREDECESSOR_LINGERS not in problem:
                raise self._did_not_start(problem)
            if time.monotonic() > deadline:
                raise self._did_not_start(problem)
            time.sleep(PAUSE)

    def _check_major(self) -> None:
        """A cluster belongs to one major version for ever."""
        mark = self.directory.pgdata / "PG_VERSION"
        if not mark.exists():
            return
        made_by = mark.read_text().strip()
        if made_by == str(self.binaries.major):
            return
        try:
            fitting = find_binaries(int(made_by), environ={"PATH": os.environ.get("PATH", "")})
            cure = f"set PGQUEUE_PG_BIN={fitting.directory}"
        except (EmbeddedServerError, ValueError):
            cure = f"set PGQUEUE_PG_BIN to the programs of PostgreSQL {made_by}"
        raise EmbeddedServerError(
            f"The data in {self.directory.path} was made by PostgreSQL {made_by}, "
            f"but the programs in {self.binaries.directory} are PostgreSQL "
            f"{self.binaries.version}.\n"
            "A major version cannot read the files of another.\n"
            f"Hint: {cure}, or choose another data directory."
        )

    def _make_cluster(self, keeper: Keeper) -> None:
        """Build beside the place and rename, so that a cluster is whole or not there."""
        said = ""
        target = self.directory.half_made
        for command in initdb_commands(self.binaries, target, self.durable):
            self.directory.make_room_for_cluster(self.account)
            code, said = keeper.run(command)
            if code == 0:
                target.rename(self.directory.pgdata)
                return
            if "locale" not in said:
                break
        raise EmbeddedServerError(
            f"Cannot make a PostgreSQL cluster in {self.directory.path}.\n"
            f"initdb of {self.binaries.version} ({self.binaries.directory}) said:\n{said.strip()}"
        )

    def _choose_address(self, owner: int | None) -> Record:
        """The wanted port, or the one used before, or a free one; the password stays the same."""
        before = self.directory.read_record()
        if not self.tcp:
            return Record(SOCKET_PORT, False, before.password, owner)
        port = self.port or (before.port if before.tcp else _free_port())
        return Record(port, True, before.password or secrets.token_urlsafe(18), owner)

    def _start(self, keeper: Keeper, record: Record, deadline: float) -> str | None:
        """None when the server answers, else what it said before it gave up."""
        position = self.directory.log_size()
        command = server_command(
            self.binaries,
            self.directory.pgdata,
            sockets=self.directory.sockets,
            port=record.port,
            tcp=record.tcp,
            settings=self.settings,
        )
        keeper.start(command)
        while True:
            try:
                self._greet(record)
            except psycopg.OperationalError as error:
                if keeper.exit_code() is not None:
                    return self.directory.log_since(position)
                if time.monotonic() > deadline:
                    keeper.stop("immediate")
                    raise self._did_not_start(
                        f"No answer within {self.timeout:g} seconds: {error}\n"
                        + self.directory.log_since(position)
                    ) from error
                time.sleep(PAUSE)
            else:
                return None

    def _greet(self, record: Record) -> None:
        with connect(self.directory, record) as connection:
            if record.password is not None:
                change = sql.SQL("ALTER ROLE {} PASSWORD {}")
                name, password = sql.Identifier(SUPERUSER), sql.Literal(record.password)
                connection.execute(change.format(name, password))

    def _did_not_start(self, said: str) -> EmbeddedServerError:
        return EmbeddedServerError(
            f"PostgreSQL {self.binaries.version} did not start in {self.directory.path}.\n"
            f"Its log, {self.directory.log}, ends:\n{said.strip()}"
        )


def connect(directory: ServerDirectory, record: Record) -> psycopg.Connection:
    """A superuser's connection through the socket, whatever PG* variables say."""
    return psycopg.connect(
        host=str(directory.sockets),
        port=record.port,
        user=SUPERUSER,
        dbname="postgres",
        options="",
        connect_timeout=10,
        autocommit=True,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
