"""How much memory this process uses."""

from __future__ import annotations

import os
import resource
import sys


def resident_mb() -> float:
    """The resident memory now, in MiB; where the system does not tell, the most it ever was."""
    try:
        with open("/proc/self/statm", encoding="ascii") as status:
            pages = int(status.read().split()[1])
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
    return pages * os.sysconf("SC_PAGE_SIZE") / (1024 * 1024)
