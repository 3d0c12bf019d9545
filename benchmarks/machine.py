"""What Linux tells about processes: their time on the processor and their memory."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path


def cpu_seconds(pid: int) -> float | None:
    """Time on the processor since the process began; None where it cannot be known."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name of the program, in parentheses, may hold anything.
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_seconds_of_one_thread(pid: int) -> float | None:
    """The same for a process that has one thread: to the nanosecond, not only to the tick, where
    the kernel counts so.
    """
    try:
        text = Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii")
    except OSError:
        return cpu_seconds(pid)
    return int(text.split()[0]) / 1e9 or cpu_seconds(pid)


def resident_mb(pid: int | str, field: str = "VmRSS") -> float | None:
    """Memory in MB; None where it cannot be known."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return None


def own_peak_mb() -> float:
    """The most memory this process ever had.

    Linux counts that of whoever started it into ru_maxrss.
    """
    peak = resident_mb("self", "VmHWM")
    if peak is not None:
        return peak
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1024 * 1024 if sys.platform == "darwin" else 1024)


def own_cpu_seconds() -> float:
    """Time on the processor of this process, all its threads together."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def is_a_server_here(pid: int) -> bool:
    """Whether a process of this number on this machine is one of PostgreSQL's."""
    try:
        return b"postgres" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
