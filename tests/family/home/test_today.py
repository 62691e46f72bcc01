"""Today: calm where nothing needs anybody; the gravest first where something does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from jaga.store._tables import Alert, Channel
from tests.family.home.conftest import Opened, log_in, make_house
from tests.family.home.house import a_house, client
from tests.family.home.household import NOW


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Opened]:
    found = make_house(tmp_path / "jaga", hostile=False)
    yield found
    found[0].close()


def test_what_needs_somebody_stands_first_grouped_by_relationship(opened: Opened) -> None:
    house, ours, _ = opened
    text = log_in(house, ours.parent).get("/").text
    assert re.findall(r'<li class="card (\w+)"><a href="/alerts/(\d+)"><bdi>(.*?)</bdi>', text) == [
        ("urgent", str(ours.alerts[0]), "KingRay"),
        ("watch", str(ours.alerts[2]), "Everyone (own posts)"),
    ]
    assert "and 1 earlier alert" in text
    assert "Nothing needs you" not in text


def test_when_everything_is_answered_it_is_calm(fresh: Opened) -> None:
    house, ours, _ = fresh
    with house.store.session() as session:
        session.execute(sa.update(Alert).values(state="talked"))
    text = log_in(house, ours.parent).get("/").text
    assert "Nothing needs you" in text
    assert "not a promise that all is well" in text
    assert "/alerts/" not in text


def test_what_was_not_read_and_what_was_not_heard_of_is_said(opened: Opened) -> None:
    house, ours, _ = opened
    text = log_in(house, ours.parent).get("/").text
    failed = text.split('id="failed"')[1].split("</section>")[0]
    assert re.findall(r"/sources/imports/(\d+)", failed) == [str(ours.imports[2]), str(ours.imports[1])]
    quiet = text.split('id="quiet"')[1].split("</section>")[0]
    assert "<bdi>Aina</bdi>: Instagram." in quiet
    assert "<bdi>Danish</bdi>: nothing has been brought in yet." in quiet


def test_the_week_in_a_line_for_each_child(opened: Opened) -> None:
    house, ours, _ = opened
    week = log_in(house, ours.parent).get("/").text.split('id="week"')[1]
    assert "<bdi>Aina</bdi></a>: 240 new messages read, 0 new contacts, 3 alerts" in week
    assert "<bdi>Danish</bdi></a>: 0 new messages read, 0 new contacts, no alert" in week


def test_a_channel_that_cannot_send_is_told(fresh: Opened) -> None:
    house, ours, theirs = fresh
    with house.store.session() as session:
        for person, name in ((ours.parent, "Mail"), (theirs.parent, "Theirs")):
            session.add(
                Channel(
                    person=person,
                    name=name,
                    url="mailto://secret",
                    says="free",
                    least="concern",
                    enabled=True,
                    created_at=NOW,
                    problem="refused",
                )
            )
    text = log_in(house, ours.parent).get("/").text
    assert "Alerts could not be sent by Mail" in text
    assert "Theirs" not in text
    assert "secret" not in text


def test_a_child_is_sent_to_its_own_page(opened: Opened) -> None:
    house, ours, _ = opened
    answer = log_in(house, ours.childs_login).get("/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/me")


def test_a_family_without_anything_is_not_an_error(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    browser = client(house)
    for path in ("/", "/friends", "/friends?show=requests", "/children", "/sources", "/children/1"):
        assert browser.get(path).status_code == 200, path
    assert "Nothing needs you" in browser.get("/").text
    house.close()
