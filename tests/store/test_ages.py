"""What changes as a child grows, as the table says."""

from __future__ import annotations

from datetime import date, datetime, timezone
from itertools import pairwise
from typing import Any

import pytest

from jaga.assessment import LEVELS
from jaga.store._ages import AGES, age_on, band_of, disclosed, settings_at, shows_level
from jaga.store._tables import Child, Family

TODAY = date(2026, 11, 25)
NOW = datetime(2026, 11, 25, 4, 0, tzinfo=timezone.utc)
WIDTH = {"summary": 0, "lines": 1, "messages": 2}


def a_child(birth: str | None = None, band: str | None = None, **settings: Any) -> Child:
    return Child(birth=birth, band=band, created_at=NOW, settings=settings)


def a_family(**settings: Any) -> Family:
    return Family(settings=settings)


@pytest.mark.parametrize(
    ("birth", "on", "age"),
    [
        ("2013-11", date(2026, 10, 31), 12),
        ("2013-11", date(2026, 11, 1), 13),
        ("2013-12", TODAY, 12),
        ("2030-01", TODAY, 0),
    ],
)
def test_a_birthday_counts_from_the_first_of_its_month(birth: str, on: date, age: int) -> None:
    assert age_on(a_child(birth), on) == age


def test_whoever_has_only_a_band_grows_too() -> None:
    child = a_child(band="13-15")
    assert [age_on(child, date(year, 11, 25)) for year in (2026, 2027, 2029, 2031)] == [13, 14, 16, 18]
    assert age_on(child, date(2027, 11, 24)) == 13
    assert age_on(a_child(), TODAY) is None
    assert band_of(a_child(), TODAY).band == "under10"


def test_the_older_the_less_in_every_line_of_the_table() -> None:
    for younger, older in pairwise(AGES):
        assert younger.first < older.first
        assert LEVELS.index(older.told_from) >= LEVELS.index(younger.told_from)
        for level in ("watch", "concern", "urgent"):
            assert WIDTH[getattr(older, level)] <= WIDTH[getattr(younger, level)]
        assert older.posts <= younger.posts
    for age in AGES:
        assert WIDTH[age.watch] <= WIDTH[age.concern] <= WIDTH[age.urgent]
        assert WIDTH[age.with_consent] >= WIDTH[age.concern]


@pytest.mark.parametrize(
    ("birth", "level", "consents", "shown"),
    [
        ("2015-05", "watch", False, "messages"),
        ("2013-05", "watch", False, "summary"),
        ("2013-05", "concern", False, "lines"),
        ("2013-05", "concern", True, "messages"),
        ("2013-05", "urgent", False, "messages"),
        ("2010-05", "watch", True, "summary"),
        ("2010-05", "concern", False, "summary"),
        ("2010-05", "concern", True, "lines"),
    ],
)
def test_what_is_shown_at_which_age(birth: str, level: str, consents: bool, shown: str) -> None:
    child = a_child(birth, shows_messages=consents)
    wide = a_family(disclosure=dict.fromkeys(("under10", "10-12", "13-15", "16-17"), "messages"))
    assert disclosed(child, wide, level, TODAY) == shown


@pytest.mark.parametrize("birth", ["2018-01", "2015-01", "2012-01", "2009-06"])
@pytest.mark.parametrize("level", ["watch", "concern", "urgent"])
@pytest.mark.parametrize("chosen", ["messages", "lines", "summary"])
def test_a_family_narrows_and_never_widens(birth: str, level: str, chosen: str) -> None:
    child = a_child(birth)
    bands = ("under10", "10-12", "13-15", "16-17")
    most = disclosed(child, a_family(disclosure=dict.fromkeys(bands, "messages")), level, TODAY)
    found = disclosed(child, a_family(disclosure=dict.fromkeys(bands, chosen)), level, TODAY)
    assert WIDTH[found] == min(WIDTH[most], WIDTH[chosen])


def test_from_sixteen_on_only_what_counts_is_told() -> None:
    family = a_family(tell_from="watch")
    assert settings_at(family, a_child("2012-01"), NOW).tell_from == "watch"
    assert settings_at(family, a_child("2010-01"), NOW).tell_from == "concern"
    assert settings_at(a_family(tell_from="urgent"), a_child("2010-01"), NOW).tell_from == "urgent"
    assert not shows_level(a_child("2010-01"), "watch", TODAY)
    assert shows_level(a_child("2012-01"), "watch", TODAY)
    assert not shows_level(a_child("2012-01"), "none", TODAY)
