"""Directories of temporary servers: where to make them, and sweeping up those left by a crash."""

import fcntl
import os
import tempfile
from pathlib import Path

from .accounts import Account
from .directory import LONGEST_SOCKET_PATH, ServerDirectory
from .errors import EmbeddedServerError
from .postmaster import end_postmaster

PREFIX = "pgqueue-server-"
LONGEST_NAME = len(f"/{PREFIX}12345678/run/.s.PGSQL.5432")


def make_temporary_directory(account: Account | None) -> ServerDirectory:
    """A new private directory that the server can reach, with a path short enough for a socket.

    First sweeps up directories of ours whose owner and keeper are both dead.
    """
    for base in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):  # noqa: S108 - mkdtemp
        fits = len(os.fsencode(base)) + LONGEST_NAME < LONGEST_SOCKET_PATH
        if not fits or not os.access(base, os.W_OK | os.X_OK):
            continue
        if account is not None and account.barrier(Path(base)) is not None:
            continue
        sweep(Path(base))
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
        if account is not None:
            path.chmod(0o711)
        return ServerDirectory(path)
    raise EmbeddedServerError(
        "There is no place for a temporary server.\n"
        f"Neither {tempfile.gettempdir()} nor /tmp can be written to by you and entered by the "
        "server's user.\n"
        "Hint: set TMPDIR to such a directory, or give data=."
    )


def sweep(base: Path) -> None:
    """End and remove temporary servers of this user that nobody looks after any more."""
    for path in base.glob(f"{PREFIX}*"):
        try:
            lock = os.open(path / "pgqueue.lock", os.O_RDWR | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            if os.fstat(lock).st_uid == os.geteuid() and path.lstat().st_uid == os.geteuid():
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                directory = ServerDirectory(path)
                end_postmaster(directory.pgdata, "immediate")
                directory.remove()
        except OSError:
            continue
        finally:
            os.close(lock)
