"""A program on a terminal of its own: what it draws, and what is left when it ends."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class Terminal:
    """Eighty columns and more, on which a program runs in the foreground."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self._master = master
        self._seen = b""

    @property
    def seen(self) -> str:
        """Everything that was drawn so far."""
        return self._seen.decode(errors="replace")

    def until(self, text: str, *, within: float = 30.0) -> str:
        """Read on until the text was drawn."""
        deadline = time.monotonic() + within
        while text not in self.seen:
            assert time.monotonic() < deadline, f"{text!r} never came:\n{self.seen}"
            assert self._read(0.2) is not None, f"it ended without {text!r}:\n{self.seen}"
        return self.seen

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def end(self, number: signal.Signals | None = None, *, within: float = 30.0) -> int:
        """Send a signal, read to the end, and return the exit code."""
        if number is not None:
            self.process.send_signal(number)
        deadline = time.monotonic() + within
        while self._read(0.2) is not None:
            assert time.monotonic() < deadline, f"it does not end:\n{self.seen}"
        return self.process.wait(10)

    def _read(self, patience: float) -> bytes | None:
        ready, _, _ = select.select([self._master], [], [], patience)
        if not ready:
            return b"" if self.process.poll() is None else None
        try:
            part = os.read(self._master, 65536)
        except OSError:
            return None
        self._seen += part
        return part or None


@contextmanager
def terminal(
    command: list[str], environment: Mapping[str, str], *, columns: int = 120
) -> Iterator[Terminal]:
    """Run a command on a terminal; it is killed at the end of the block."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        command,
        env={**environment, "TERM": "xterm-256color"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        process.kill()
        process.wait(10)
        os.close(master)
