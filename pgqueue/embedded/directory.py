"""The directory of one server: the cluster, its socket, its log, and who looks after it.

DIRECTORY/            ours: 0700, or for root 0711 so that the server may pass through
    pgqueue.lock      locked by whoever starts, stops or owns the server; marks it as ours
    pgqueue.json      port, password, owner
    server.log
    pgdata/           the cluster, the server's own
    pgdata.tmp/       a cluster in the making: it becomes pgdata by rename, or is thrown away
    run/              the socket; elsewhere when the path would be too long for one
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from .accounts import Account, check_reachable, hand_over
from .errors import EmbeddedServerError

LONGEST_SOCKET_PATH = 103  # bytes; macOS's limit, Linux allows 107
SOCKET_PORT = 5432
LARGEST_LOG = 10_000_000  # bytes


@dataclass(frozen=True)
class Record:
    """How to reach the server, and the process that owns it (None: it lives on by itself)."""

    port: int = SOCKET_PORT
    tcp: bool = False
    password: str | None = None
    owner: int | None = None


class ServerDirectory:
    """Paths and upkeep of one server's directory. Nothing here starts or stops a server."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.pgdata = self.path / "pgdata"
        self.half_made = self.path / "pgdata.tmp"
        self.log = self.path / "server.log"
        self._lock = self.path / "pgqueue.lock"
        self._record = self.path / "pgqueue.json"

    @property
    def exists(self) -> bool:
        """Whether a server was ever made here."""
        return self._lock.exists()

    @property
    def sockets(self) -> Path:
        """Where the socket is; always the same for the same directory and user."""
        here = self.path / "run"
        if len(os.fsencode(here / f".s.PGSQL.{SOCKET_PORT}")) <= LONGEST_SOCKET_PATH - 1:
            return here
        name = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:16]
        return Path("/tmp", f"pgqueue-{os.geteuid()}-{name}", "run")  # noqa: S108 - ours or refused

    @property
    def all_paths(self) -> list[Path]:
        """Everything to remove when the server is to vanish."""
        aside = self.sockets.parent
        return [self.path] if aside == self.path else [self.path, aside]

    def prepare(self, account: Account | None) -> None:
        """Make the directory, or check that an existing one is ours and can be reached."""
        make_directories(self.path, account)
        if self.path.stat().st_uid != os.geteuid():
            raise EmbeddedServerError(
                f"The data directory {self.path} belongs to another user.\n"
                f"Its owner has the user id {self.path.stat().st_uid}, you are {os.geteuid()}.\n"
                "Hint: run this as that user, or choose another data directory."
            )
        self._check_ours()
        check_reachable(self.path, account)

    def _check_ours(self) -> None:
        if self.exists:
            return
        if (self.path / "PG_VERSION").exists():
            why = "It is the cluster of a PostgreSQL server that pgqueue did not make."
        elif any(self.path.iterdir()):
            why = "It is not empty, and pgqueue did not make it."
        else:
            return
        raise EmbeddedServerError(
            f"The data directory {self.path} cannot be used.\n{why}\n"
            "Hint: choose a new or an empty directory."
        )

    def take_lock(self, account: Account | None, timeout: float) -> int:
        """Prepare the directory and wait up to `timeout` seconds for its lock.

        The open descriptor holds it. Raises EmbeddedServerError, naming the owner if there is one.
        """
        deadline = time.monotonic() + timeout
        while True:
            self.prepare(account)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            descriptor = os.open(self._lock, flags, 0o600)
            with contextlib.suppress(BlockingIOError, FileNotFoundError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Whoever held it may have removed the directory meanwhile.
                if os.path.samestat(os.fstat(descriptor), self._lock.stat()):
                    return descriptor
            os.close(descriptor)
            owner = self.read_record().owner
            if (owner is not None and _is_alive(owner)) or time.monotonic() > deadline:
                raise _in_use(self.path, owner)
            time.sleep(0.02)

    def read_record(self) -> Record:
        """What was written last; the defaults if nothing, or nothing readable, was."""
        try:
            return Record(**json.loads(self._record.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return Record()

    def write_record(self, record: Record) -> None:
        """Replace the record at once, for the owner's eyes only."""
        new = self._record.with_suffix(".new")
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(record), file)
        new.replace(self._record)

    def clear_leftovers(self, account: Account | None) -> None:
        """Undo what a crash left. Only while the lock is held and no server runs here."""
        shutil.rmtree(self.half_made, ignore_errors=True)
        (self.pgdata / "postmaster.pid").unlink(missing_ok=True)
        make_directories(self.sockets.parent, account)
        if self.sockets.parent.lstat().st_uid != os.geteuid():
            raise EmbeddedServerError(
                f"{self.sockets.parent}, needed for the server's socket, belongs to another user.\n"
                "Hint: choose a data directory with a shorter path."
            )
        shutil.rmtree(self.sockets, ignore_errors=True)
        self.sockets.mkdir()
        hand_over(self.sockets, account)

    def make_room_for_cluster(self, account: Account | None) -> None:
        """An empty directory, the server's own, in which to make a cluster."""
        shutil.rmtree(self.half_made, ignore_errors=True)
        self.half_made.mkdir()
        hand_over(self.half_made, account)

    def open_log(self) -> int:
        """A descriptor for appending to the log; a long one is put aside first."""
        if self.log_size() > LARGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        return os.open(self.log, flags, 0o600)

    def log_size(self) -> int:
        """Bytes written so far; the place where the next start's messages begin."""
        return self.log.stat().st_size if self.log.exists() else 0

    def log_since(self, position: int) -> str:
        """The end of what the server said since."""
        with self.log.open("rb") as file:
            file.seek(position)
            said = file.read(1_000_000)
        return "\n".join(said.decode(errors="replace").splitlines()[-20:])

    def remove(self) -> None:
        """Delete everything, for good."""
        for path in self.all_paths:
            shutil.rmtree(path, ignore_errors=True)


def make_directories(path: Path, account: Account | None) -> None:
    """Make the directory and its missing parents; the ones that exist stay as they are."""
    missing = [directory for directory in (path, *path.parents) if not directory.exists()]
    for directory in reversed(missing):
        try:
            directory.mkdir(exist_ok=True)
            directory.chmod(0o700 if account is None else 0o711)
        except OSError as error:
            raise EmbeddedServerError(
                f"Cannot make the directory {directory}: {error.strerror}.\n"
                "Hint: choose a data directory that you may write to."
            ) from error


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _in_use(path: Path, owner: int | None) -> EmbeddedServerError:
    by = f"process {owner}" if owner is not None else "another process"
    return EmbeddedServerError(
        f"The data directory {path} is in use by {by}.\n"
        "A server belongs to the process that started it.\n"
        "Hint: wait until that process ends, or choose another data directory."
    )
