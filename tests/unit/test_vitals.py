"""What is alive and what is ready, judged from ages alone."""

import pytest

from pgqueue import InvalidOption, WorkerSettings
from pgqueue.worker.vitals import Phase, Pulse, judge_live, judge_ready

WELL = Pulse(beating=True, offline=False, beat_age=1.0, claim_age=1.0, full=False)


@pytest.mark.parametrize(
    ("phase", "pulse", "reason"),
    [
        ("starting", Pulse(False, False, None, None, False), "starting"),
        ("working", WELL, "working"),
        ("draining", WELL._replace(claim_age=100.0), "draining"),
        ("working", WELL._replace(offline=True, beat_age=100.0), "no connection to the database"),
        ("stopped", WELL._replace(beating=False), "stopped"),
    ],
)
def test_alive(phase: Phase, pulse: Pulse, reason: str) -> None:
    verdict = judge_live(phase, pulse, lease=15.0)
    assert verdict.well
    assert verdict.reason.startswith(reason)


@pytest.mark.parametrize(
    ("pulse", "reason"),
    [
        (WELL._replace(beating=False), "the heartbeat thread has ended"),
        (WELL._replace(beating=False, offline=True), "the heartbeat thread has ended"),
        (WELL._replace(beat_age=15.1), "the lease is lost: no heartbeat for 15.1 s"),
    ],
)
def test_not_alive(pulse: Pulse, reason: str) -> None:
    verdict = judge_live("working", pulse, lease=15.0)
    assert not verdict.well
    assert verdict.reason == reason


@pytest.mark.parametrize(
    ("phase", "pulse", "well", "reason"),
    [
        ("working", WELL, True, "it claims jobs"),
        ("working", WELL._replace(claim_age=20.0, full=True), True, "every slot is in use"),
        ("working", WELL._replace(claim_age=20.0), False, "no claim was answered for 20.0 s"),
        ("working", WELL._replace(claim_age=None), False, "no claim was answered yet"),
        (
            "working",
            WELL._replace(claim_age=20.0, beat_age=20.0, full=True),
            False,
            "no claim was answered for 20.0 s",
        ),
        ("starting", WELL, False, "starting"),
        ("draining", WELL, False, "draining"),
        ("stopped", WELL, False, "stopped"),
    ],
)
def test_ready(phase: Phase, pulse: Pulse, well: bool, reason: str) -> None:
    assert judge_ready(phase, pulse, longest=15.0)[:2] == (well, reason)


def test_how_long_a_silence_may_last() -> None:
    assert WorkerSettings().longest_silence == 15.0
    assert WorkerSettings(poll=20).longest_silence == 60.0
    assert WorkerSettings(ready_within=7).longest_silence == 7.0
    with pytest.raises(InvalidOption, match="at least one and a half times poll"):
        WorkerSettings(ready_within=4, poll=3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"health_port": 0}, "health_port lies between 1 and 65535"),
        ({"health_port": "80"}, "health_port is an integer"),
        ({"health_host": ""}, "health_host"),
        ({"ready_within": "x"}, "ready_within is a number of seconds"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        WorkerSettings(**settings)  # type: ignore[arg-type]
