"""Which operating system user runs the server, and what that user can reach.

PostgreSQL refuses to run as root, so root lends the server an account that exists already.
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from .errors import EmbeddedServerError

UNPRIVILEGED_NAMES = ("postgres", "_postgres", "nobody")


@dataclass(frozen=True)
class Account:
    """An existing user other than root, with its primary group and no others."""

    name: str
    uid: int
    gid: int

    def can_enter(self, directory: Path) -> bool:
        """Whether the mode bits let this account pass through the directory (ACLs not asked)."""
        found = directory.stat()
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        if found.st_gid == self.gid:
            return bool(found.st_mode & stat.S_IXGRP)
        return bool(found.st_mode & stat.S_IXOTH)

    def barrier(self, path: Path) -> Path | None:
        """The first directory on the way to `path`, itself included, that it may not enter."""
        for directory in reversed([path, *path.parents]):
            if directory.is_dir() and not self.can_enter(directory):
                return directory
        return None


def lent_account() -> Account | None:
    """The account that root lends to the server, or None for an ordinary user.

    Raises EmbeddedServerError when there is none to lend.
    """
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED_NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise EmbeddedServerError(
        "PostgreSQL does not run as root, and there is no other user to lend to it.\n"
        f"None of these exists here: {', '.join(UNPRIVILEGED_NAMES)}.\n"
        "Hint: run this as an ordinary user."
    )


def check_reachable(directory: Path, account: Account | None) -> None:
    """Raise EmbeddedServerError if the account cannot get into the directory."""
    if account is None or (barrier := account.barrier(directory)) is None:
        return
    mode = stat.S_IMODE(barrier.stat().st_mode)
    raise EmbeddedServerError(
        f"The data directory {directory} is out of reach for the server.\n"
        f'PostgreSQL does not run as root, so it runs as the user "{account.name}", who may not '
        f"enter {barrier} (mode {mode:04o}).\n"
        "Hint: choose a data directory elsewhere, for example below /var/lib/pgqueue, "
        f"or allow passing through: chmod o+x {barrier}"
    )


def hand_over(path: Path, account: Account | None) -> None:
    """Give a directory that we have just made to the account, for it alone."""
    path.chmod(0o700)
    if account is not None:
        os.chown(path, account.uid, account.gid)
