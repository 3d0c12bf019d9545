"""Who calls the program: the database only knows its role."""

from __future__ import annotations

import getpass
import socket


def operator() -> str:
    """The user and the host."""
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        return socket.gethostname()
