"""Quiet hours and the week's end by the wall clock of the household."""

from __future__ import annotations

from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaga.family.notify import last_weekly, quiet_until

KL = ZoneInfo("Asia/Kuala_Lumpur")
BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = time(22, 0), time(7, 0)


def at(zone: ZoneInfo, *parts: int, fold: int = 0) -> datetime:
    return datetime(*parts, tzinfo=zone, fold=fold).astimezone(timezone.utc)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("now", "ends"),
    [
        ((2026, 3, 4, 21, 59), None),
        ((2026, 3, 4, 22, 0), (2026, 3, 5, 7, 0)),
        ((2026, 3, 5, 0, 30), (2026, 3, 5, 7, 0)),
        ((2026, 3, 5, 6, 59), (2026, 3, 5, 7, 0)),
        ((2026, 3, 5, 7, 0), None),
    ],
)
def test_a_night_goes_over_midnight(now: tuple[int, ...], ends: tuple[int, ...] | None) -> None:
    assert quiet_until(at(KL, *now), KL, *NIGHT) == (None if ends is None else at(KL, *ends))


def test_a_quiet_within_a_day_and_none_at_all() -> None:
    noon = at(KL, 2026, 3, 4, 13, 0)
    assert quiet_until(noon, KL, time(12), time(14)) == at(KL, 2026, 3, 4, 14, 0)
    assert quiet_until(noon, KL, time(14), time(12)) is None
    assert quiet_until(noon, KL, time(13), time(13)) is None


def test_when_the_clock_leaves_out_the_end_the_quiet_ends_after_the_gap() -> None:
    # On 2026-03-29 Berlin's clock goes from 02:00 to 03:00.
    now = at(BERLIN, 2026, 3, 29, 1, 0)
    assert quiet_until(now, BERLIN, time(22), time(2, 30)) == at(BERLIN, 2026, 3, 29, 3, 30)


def test_when_the_clock_repeats_the_end_the_second_time_counts() -> None:
    # On 2026-10-25 Berlin's clock goes from 03:00 back to 02:00.
    first, second = at(BERLIN, 2026, 10, 25, 2, 30), at(BERLIN, 2026, 10, 25, 2, 30, fold=1)
    assert second - first == timedelta(hours=1)
    assert quiet_until(first, BERLIN, time(22), time(2, 30)) == second
    assert quiet_until(second, BERLIN, time(22), time(2, 30)) is None


def test_the_night_of_a_clock_change_is_as_long_as_it_is() -> None:
    ends = quiet_until(at(BERLIN, 2026, 3, 28, 22, 0), BERLIN, *NIGHT)
    assert ends is not None
    assert ends - at(BERLIN, 2026, 3, 28, 22, 0) == timedelta(hours=8)


_TIMES = st.times().map(lambda one: one.replace(second=0, microsecond=0))
_ZONES = st.sampled_from(["Asia/Kuala_Lumpur", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "UTC"])


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(timezone.utc)), _ZONES, _TIMES, _TIMES
)
def test_a_quiet_always_ends_and_within_a_day_or_so(now: datetime, name: str, start: time, end: time) -> None:
    zone = ZoneInfo(name)
    ends = quiet_until(now, zone, start, end)
    if ends is not None:
        assert now < ends <= now + timedelta(hours=26)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(timezone.utc)),
    _ZONES,
    st.integers(0, 6),
    _TIMES,
)
def test_the_last_weekly_moment_is_within_the_week_before(now: datetime, name: str, day: int, clock: time) -> None:
    moment = last_weekly(now, ZoneInfo(name), day, clock)
    assert timedelta(0) <= now - moment <= timedelta(days=7, hours=2)
