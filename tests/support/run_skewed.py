"""A worker whose wall clock is wrong: `python -m tests.support.run_skewed 60 module:app '{}'`.

Whoever asks Python for the time, in this process, is told another one; time.monotonic stays.
"""

import datetime
import runpy
import sys
import time

SKEW = float(sys.argv.pop(1))
_time, _time_ns = time.time, time.time_ns
_Real = datetime.datetime


class _Skewed(_Real):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> "_Skewed":
        return cls.fromtimestamp(time.time(), tz)

    @classmethod
    def utcnow(cls) -> "_Skewed":
        return cls.fromtimestamp(time.time(), datetime.UTC).replace(tzinfo=None)


if __name__ == "__main__":
    time.time = lambda: _time() + SKEW
    time.time_ns = lambda: _time_ns() + int(SKEW * 1e9)
    datetime.datetime = _Skewed  # type: ignore[misc]  # before anybody imports it by name
    assert abs(datetime.datetime.now(datetime.UTC).timestamp() - _time() - SKEW) < 10
    sys.argv[0] = "run_worker"
    runpy.run_module("tests.support.run_worker", run_name="__main__", alter_sys=True)
