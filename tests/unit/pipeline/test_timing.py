"""The stage clock adds up calls, also those that raise, and counts processor time."""

import time

import pytest

from workers.pipeline.timing import StageClock


def test_stages_add_up_in_their_order() -> None:
    clock = StageClock()
    for _ in range(3):
        with clock.stage("sleep"):
            time.sleep(0.01)
        with clock.stage("work"):
            until = time.process_time() + 0.01
            while time.process_time() < until:
                pass
    assert list(clock.stages) == ["sleep", "work"]
    sleep, work = clock.stages["sleep"], clock.stages["work"]
    assert sleep.calls == work.calls == 3
    assert sleep.wall_s >= 0.03
    assert sleep.cpu_s < 0.02
    assert work.cpu_s >= 0.03


def test_a_stage_that_raises_is_counted() -> None:
    clock = StageClock()
    with pytest.raises(ValueError, match="stop"), clock.stage("pose"):
        raise ValueError("stop")
    assert clock.stages["pose"].calls == 1


def test_seconds_are_of_this_clock_and_those_before() -> None:
    clock = StageClock()
    with clock.stage("pose"):
        time.sleep(0.01)
    assert clock.seconds({}).keys() == {"pose"}
    seconds = clock.seconds({"decode": 3.0, "pose": 5.0})
    assert list(seconds) == ["decode", "pose"]
    assert seconds["decode"] == 3.0
    assert 5.01 <= seconds["pose"] < 6
