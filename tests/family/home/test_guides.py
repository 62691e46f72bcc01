"""The guides lead to every source, and the letters in their drawn screens fit in every language."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from jaga.family.home._guides import fitted, guide_of, guides, texts
from jaga.family.home._heard import PLATFORMS
from jaga.family.home.pages.guides import _ROOM
from jaga.sources import all_sources
from jaga.words import LANGUAGES, words
from tests.family.home.conftest import Opened, log_in

ROOT = Path(__file__).parents[3]


def test_every_source_is_reached_by_a_guide_and_known_to_last_heard() -> None:
    sources = {source.name for source in all_sources()}
    assert {name for guide in guides().guides for name in guide.sources} == sources
    assert set(PLATFORMS) | {"csv", "jsonl"} == sources
    # And every app that a source reads has a guide to send the reader to.
    apps = {app for every in PLATFORMS.values() for app in every}
    assert {app for app in apps if guide_of(app) is None} == set()


def test_each_guide_is_a_page_with_a_drawn_screen_for_each_step(opened: Opened) -> None:
    house, ours, _ = opened
    client = log_in(house, ours.parent)
    overview = client.get("/guides").text
    for guide in guides().guides:
        assert f'href="/guides/{guide.id}"' in overview
        text = client.get(f"/guides/{guide.id}").text
        assert text.count('<svg class="screen"') == len(guide.steps) + 1
        assert text.count("<text") == sum(
            1 for step in (*guide.steps, guides().last) if step.label or step.screen[:4] != "chat"
        )
    assert client.get("/guides/nothing").status_code == 404


@pytest.mark.parametrize("language", LANGUAGES)
def test_labels_fit_into_their_places_and_stay_readable(language: str) -> None:
    say = words(language)
    for guide in guides().guides:
        for step in (*guide.steps, guides().last):
            label = fitted(say, step.label, _ROOM.get(step.screen, 90))
            assert len(label.lines) <= 2
            # Drawn at 1.5 times or more: 6 units are 9 pixels on the smallest phone. The step says it in full beside.
            assert label.size >= 5.5, (guide.id, label)


def test_no_text_is_longer_than_a_line_of_the_translations() -> None:
    assert all("\n" not in text and text == text.strip() for text in texts())


def test_the_sources_in_the_guides_are_those_that_are_installed() -> None:
    registered = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    assert {name for guide in guides().guides for name in guide.sources} == set(registered["jaga.sources"])
