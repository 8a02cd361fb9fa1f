"""What progress says of the time that is left."""

from __future__ import annotations

from backslide.contracts.countdown import Countdown, duration


def test_the_rest_is_told_from_what_is_done_and_never_before_it_can_be():
    now = [0.0]
    countdown = Countdown(40, clock=lambda: now[0])
    assert countdown.words(0) == "1 of 40"
    now[0] = 1.0
    assert countdown.words(1) == "2 of 40"  # a second says nothing yet
    now[0] = 20.0
    assert countdown.words(10) == "11 of 40, about 60 s left"
    assert countdown.words(40) == "40 of 40, about 0 s left"


def test_durations():
    assert [duration(seconds) for seconds in (4.4, 89, 600, 7200)] == ["4 s", "89 s", "10 min", "2 h"]
