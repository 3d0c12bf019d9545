"""A private PostgreSQL server: made, started, reached, stopped."""

import atexit
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self

from pgqueue.errors import UsageError

from .accounts import lent_account
from .address import Address
from .binaries import Binaries, find_binaries
from .cluster import choose_settings
from .directory import ServerDirectory
from .errors import EmbeddedServerError
from .keeper import Keeper
from .launcher import Launcher
from .postmaster import end_postmaster, running_postmaster
from .reachable import reachable_binaries
from .temporary import make_temporary_directory

StopMode = Literal["fast", "immediate"]


class EmbeddedServer(Address):
    """A private PostgreSQL server of which this process is the owner.

    `EmbeddedServer()` is temporary: its data lies in a private temporary directory, fsync is off,
    and all is gone at the end of the `with` block. With `data=` the data lasts. Either way the
    server ends with its owner, be it by exit, exception, SIGTERM or SIGKILL: a small keeper process
    sees to it. Processes forked by the owner count as part of it until they end.
    With `detached=True` (which needs `data=`) the server outlives its owner, and any later
    `EmbeddedServer(data=..., detached=True)` finds it again.

    It listens on a Unix socket that only its user and root can reach, and trusts whoever does.
    `tcp=True` adds 127.0.0.1, which every local user can reach, and therefore a random password;
    `port` is chosen and remembered unless given. `settings` override PostgreSQL's, by name.
    `durable` is True for lasting data unless said otherwise. As root, the server runs as the
    existing user postgres or nobody; no user is made, no mode of an existing directory changed.

    It fits pytest-postgresql, which reads `host`, `port`, `user`, `password`, `options`,
    `maintenance_dbname` and `template_dbname` from any session fixture:

        @pytest.fixture(scope="session")
        def private_server():
            with EmbeddedServer() as server:
                yield server

        postgresql_noproc = factories.postgresql_noproc(depends_on="private_server")
        postgresql = factories.postgresql("postgresql_noproc")
    """

    def __init__(
        self,
        data: str | Path | None = None,
        *,
        durable: bool | None = None,
        detached: bool = False,
        tcp: bool = False,
        port: int | None = None,
        binaries: Binaries | None = None,
        settings: Mapping[str, str] | None = None,
        start_timeout: timedelta = timedelta(seconds=60),
    ) -> None:
        if detached and data is None:
            raise UsageError("detached=True needs data=, the directory where to find it again.")
        if port is not None and not tcp:
            raise UsageError("port= is for tcp=True; a socket has a name, not a port.")
        super().__init__(None if data is None else ServerDirectory(Path(data)))
        self._is_temporary = data is None
        self._durable = durable if durable is not None else data is not None
        self._settings = choose_settings(self._durable, settings or {})
        self._detached = detached
        self._tcp, self._wanted_port = tcp, port
        self._binaries = binaries
        self._start_timeout = start_timeout.total_seconds()
        self._keeper: Keeper | None = None
        self._launcher: Launcher | None = None
        self._lock: int | None = None
        self._owner = os.getpid()
        self._turn = threading.RLock()

    @property
    def binaries(self) -> Binaries:
        """The programs in use; found at first need."""
        if self._binaries is None:
            self._binaries = find_binaries()
        return self._binaries

    @property
    def major(self) -> int:
        """PostgreSQL's major version."""
        return self.binaries.major

    @property
    def pid(self) -> int | None:
        """The process id of the server; None when it is not running."""
        return running_postmaster(self._here.pgdata) if self._directory else None

    def is_running(self) -> bool:
        """Whether the server's main process is alive."""
        return self.pid is not None

    # Its life

    def start(self) -> None:
        """Start the server and wait until it answers; make its cluster first if there is none.

        A detached server that is running already is used as it is.
        Raises EmbeddedServerError, with the end of the server's log, if it does not start.
        """
        with self._turn:
            self._only_owner()
            if self._keeper is not None and self._keeper.is_alive():
                if not self.is_running():
                    self._launch()
                return
            self.close()
            self._take_charge()

    def stop(self, mode: StopMode = "fast") -> None:
        """Stop the server and keep its data (a temporary server's until `close`).

        "fast" ends connections and writes everything out, "immediate" is like a crash.
        """
        with self._turn:
            self._only_owner()
            self._halt(mode)
            if not self._is_temporary:
                self.close()

    def restart(self, mode: StopMode = "fast") -> None:
        """Stop and start again with the same data and address. Connections are lost."""
        with self._turn:
            self._only_owner()
            self._halt(mode)
            self.start()

    def kill(self) -> None:
        """End the server by SIGKILL, for tests. `start` recovers it."""
        with self._turn:
            self._only_owner()
            self._halt("kill")

    def close(self) -> None:
        """Stop the server unless it is detached; delete it if it is temporary. Safe to repeat."""
        with self._turn:
            if self._keeper is None or os.getpid() != self._owner:
                return
            self._here.write_record(replace(self._record, owner=None))
            if not self._keeper.end():
                end_postmaster(self._here.pgdata, "fast")
                if self._is_temporary:
                    self._here.remove()
            self._let_go()

    def delete(self) -> None:
        """Stop the server and delete all its data, for good."""
        with self._turn:
            self._only_owner()
            self.close()
            if self._directory is not None and self.exists:
                lock = self._directory.take_lock(lent_account(), self._start_timeout)
                end_postmaster(self._directory.pgdata, "immediate")
                self._directory.remove()
                os.close(lock)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Underneath

    def _only_owner(self) -> None:
        if os.getpid() != self._owner:
            raise EmbeddedServerError(
                f"This server belongs to process {self._owner}, of which this one is a fork.\n"
                "Hint: start and stop it there; here, use its dsn()."
            )

    def _take_charge(self) -> None:
        """Lock the directory and start the server, unless it runs already and we may use it."""
        account = lent_account()
        if self._is_temporary:
            self._directory = make_temporary_directory(account)
        self._lock = self._here.take_lock(account, self._start_timeout)
        try:
            if self._finds_running():
                self._let_go()
                return
            self._launcher = Launcher(
                directory=self._here,
                binaries=reachable_binaries(self.binaries, account),
                account=account,
                durable=self._durable,
                settings=self._settings,
                tcp=self._tcp,
                port=self._wanted_port,
                timeout=self._start_timeout,
            )
            remove = self._here.all_paths if self._is_temporary else []
            log = self._here.open_log()
            try:
                self._keeper = Keeper(account, self._lock, log, remove)
            finally:
                os.close(log)
            atexit.register(self.close)
            self._launch()
        except BaseException:
            self.close()
            if self._is_temporary and self._directory is not None:
                self._directory.remove()
            self._let_go()
            raise
        if self._detached:
            self._keeper.leave()
            self._let_go()

    def _finds_running(self) -> bool:
        """Whether a server runs here that we may use. Ends one that lost owner and keeper."""
        if self.pid is None:
            return False
        record = self._record
        if record.owner is not None:
            end_postmaster(self._here.pgdata, "fast")
            return False
        if not self._detached:
            why = "It was started to run by itself, and belongs to no process."
        elif self._tcp and not record.tcp:
            why = "It was started without TCP."
        elif self._wanted_port not in (None, record.port):
            why = f"It was started with port {record.port}."
        else:
            return True
        raise EmbeddedServerError(
            f"A server is running already in {self._here.path} (process {self.pid}).\n{why}\n"
            "Hint: stop it first, or choose another data directory."
        )

    def _launch(self) -> None:
        assert self._launcher is not None
        assert self._keeper is not None
        self._launcher.launch(self._keeper, None if self._detached else self._owner)

    def _halt(self, mode: Literal["fast", "immediate", "kill"]) -> None:
        if self._keeper is not None and self._keeper.is_alive():
            self._keeper.stop(mode)
        elif self._keeper is not None:
            end_postmaster(self._here.pgdata, mode)
        elif self._detached and self._here.exists:
            lock = self._here.take_lock(lent_account(), self._start_timeout)
            try:
                end_postmaster(self._here.pgdata, mode)
            finally:
                os.close(lock)

    def _let_go(self) -> None:
        atexit.unregister(self.close)
        if self._lock is not None:
            os.close(self._lock)
        self._lock = self._keeper = self._launcher = None
        if self._is_temporary:
            self._directory = None
