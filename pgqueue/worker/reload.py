"""For development: a worker that is started anew whenever a file of the project changes."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from ..errors import UsageError
from .supervisor import stop_signals


def run_reloading(
    command: Sequence[str],
    directories: Sequence[Path],
    grace: float,
    *,
    say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
) -> int:
    """Run a command, and again after each change of a Python file, until SIGTERM or SIGINT.

    Running jobs get the grace time before the restart. Raises UsageError without watchfiles.
    """
    try:
        from watchfiles import PythonFilter, watch
    except ImportError:
        raise UsageError('--reload needs watchfiles. Run: pip install "pgqueue[reload]"') from None
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in stop_signals():
        signal.signal(number, on_signal)
    process = subprocess.Popen(command, process_group=0)
    try:
        for changes in watch(
            *directories, watch_filter=PythonFilter(), stop_event=stop, raise_interrupt=False
        ):
            names = ", ".join(sorted({Path(path).name for _, path in changes}))
            say(f"{names} changed: starting again")
            _end(process, grace)
            process = subprocess.Popen(command, process_group=0)
    finally:
        _end(process, grace)
    return 0


def _end(process: subprocess.Popen[bytes], grace: float) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=grace + 15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
