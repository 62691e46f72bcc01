"""Friends: who writes with a child, strangers first; figures and not words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from jaga.store import load_assessment
from jaga.store._tables import AuditLine, Relationship, Trusted
from tests.family.home.conftest import Opened, csrf_of, log_in, make_house
from tests.family.home.household import NOW


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Opened]:
    found = make_house(tmp_path / "jaga", hostile=False)
    yield found
    found[0].close()


def names(text: str) -> list[str]:
    return re.findall(r'<h2><a href="/friends/\d+"><bdi>(.*?)</bdi>', text)


def test_a_card_says_who_where_how_often_and_what_was_asked_for(opened: Opened) -> None:
    house, ours, _ = opened
    text = log_in(house, ours.parent).get(f"/friends?child={ours.children[0]}").text
    assert names(text) == ["KingRay", "Mak Su"]
    card = text.split("Mak Su")[0].split("KingRay", 1)[1]
    for said in (
        "Act today",
        "Stranger who asked to write",
        "WhatsApp",
        "since Oct 26, 2026",
        "240 messages on 21 days · Mostly they write first.",
        "Mostly between 18:00 and 0:00 (100 % of the messages).",
        "Claims to be the same age",
        "Asking for pictures (2×)",
        "Gifts, money and promises (2×)",
        "1 shared group</dt><dd><bdi>5 Cempaka</bdi>",
        "Also writes to</dt><dd><bdi>Danish</bdi>",
    ):
        assert said in card, said
    assert card.count("<rect") >= 5
    # Figures only: what was said stands in no card.
    assert "photo only for me" not in text
    assert "robux" not in text
    # Own posts are no friend.
    assert "(everyone)" not in text


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["KingRay", "KingRay", "Mak Su"]),
        ("show=strangers", ["KingRay", "KingRay"]),
        ("show=known", ["Mak Su"]),
        ("find=mak", ["Mak Su"]),
        ("find=%25", []),
        ("find=_", []),
        ("app=telegram", ["KingRay"]),
        ("app=line", []),
        ("order=name", ["KingRay", "KingRay", "Mak Su"]),
        ("order=level&child=", ["KingRay", "KingRay", "Mak Su"]),
        ("order=busiest", ["KingRay", "Mak Su", "KingRay"]),
    ],
)
def test_they_can_be_chosen_and_sorted(opened: Opened, query: str, expected: list[str]) -> None:
    house, ours, _ = opened
    answer = log_in(house, ours.parent).get(f"/friends?{query}")
    assert answer.status_code == 200
    assert names(answer.text) == expected


@pytest.mark.parametrize("query", ["order=drop", "at=0", "at=x", "child=1 or 1", "show=", "find=" + "x" * 81])
def test_what_cannot_be_asked_for_is_refused(opened: Opened, query: str) -> None:
    house, ours, _ = opened
    assert log_in(house, ours.parent).get(f"/friends?{query}").status_code == 422


def test_followers_and_requests_stand_apart_those_who_ask_first(opened: Opened) -> None:
    house, ours, _ = opened
    text = log_in(house, ours.parent).get("/friends?show=requests").text
    found = re.findall(r'<li class="card"><strong>(?:<a href="/friends/\d+">)?<bdi>(.*?)</bdi>', text)
    assert found == ["KingRay", "asker", "a follower"]
    assert "Follows the child" in text


def test_two_thousand_contacts_come_in_pages_each_once(fresh: Opened) -> None:
    house, ours, _ = fresh
    with house.store.session() as session:
        row = session.get_one(Relationship, ours.relationships[1])
        assessment = load_assessment(row.assessment)
        for number in range(45):
            session.add(
                Relationship(
                    child=ours.children[1],
                    contact=f"c{number:02}",
                    name=f"Friend {number:02}",
                    state=b"",
                    assessment=msgspec.msgpack.encode(msgspec.structs.replace(assessment, contact=f"c{number:02}")),
                    level="none",
                    score=0.0,
                    messages=number,
                    first_at=NOW - timedelta(days=number),
                    last_at=NOW - timedelta(hours=number),
                    facts={},
                    base=None,
                )
            )
    client = log_in(house, ours.parent)
    seen: list[str] = []
    at, text = "/friends?order=name", ""
    while at:
        text = client.get(at).text
        seen += names(text)
        found = re.search(r'<a href="([^"]+)" rel="next"', text)
        at = found.group(1).replace("&amp;", "&") if found else ""
    assert len(seen) == 48
    assert seen[:3] == ["Friend 00", "Friend 01", "Friend 02"]
    assert "Page 3 of 3" in text


def test_a_friends_page_holds_charts_with_their_tables_and_what_was_heard(opened: Opened) -> None:
    house, ours, _ = opened
    text = log_in(house, ours.parent).get(f"/friends/{ours.relationships[0]}").text
    assert text.count('<figure class="charted">') == 3
    assert text.count("<details>") == 3
    assert "Ray the King" in text
    assert "Asking for secrecy" in text
    assert "do not tell your parents" not in text
    # Nothing in the pictures that the page's policy would have to let in.
    assert not re.search(r"<style|<script(?! src)|\sstyle=|\son\w+=", text)


def test_whom_the_family_knows_is_noted_and_can_be_taken_back(fresh: Opened) -> None:
    house, ours, _ = fresh
    client = log_in(house, ours.guardian)
    csrf, friend = csrf_of(client), ours.relationships[0]

    def known() -> list[tuple[str, str, str | None]]:
        with house.store.session(read_only=True) as session:
            rows = session.scalars(sa.select(Trusted).where(Trusted.child == ours.children[0]).order_by(Trusted.id))
            return [(row.contact, row.kind, row.who) for row in rows]

    client.post(f"/friends/{friend}/know", data={"csrf": csrf, "kind": "known", "person": "cousin"})
    assert ("kingray", "known", "cousin") in known()
    assert "Known: cousin" in client.get(f"/friends/{friend}").text
    # What is never read is a parent's to say.
    assert client.post(f"/friends/{friend}/know", data={"csrf": csrf, "kind": "protected"}).status_code == 403
    assert ("kingray", "known", "cousin") in known()
    parent = log_in(house, ours.parent)
    parent.post(f"/friends/{friend}/know", data={"csrf": csrf_of(parent), "kind": "protected"})
    assert ("kingray", "protected", "cousin") in known()
    client.post(f"/friends/{friend}/know", data={"csrf": csrf, "kind": "unknown"})
    assert [contact for contact, _, _ in known()] == ["maksu"]
    assert client.post(f"/friends/{friend}/know", data={"csrf": csrf, "kind": "guilty"}).status_code == 422
    with house.store.session(read_only=True) as session:
        noted = session.scalars(sa.select(AuditLine.what).where(AuditLine.subject == f"relationship:{friend}")).all()
        forgot = session.scalars(sa.select(AuditLine.subject).where(AuditLine.what == "contact.protected")).all()
    assert noted == ["contact.known", "contact.unknown"]
    assert forgot == [f"child:{ours.children[0]}"]


@pytest.mark.parametrize(("level", "told"), [("watch", False), ("concern", True)])
def test_of_an_older_child_only_what_is_grave_is_told(fresh: Opened, level: str, told: bool) -> None:
    house, ours, _ = fresh
    with house.store.session() as session:
        # Of Danish, who is sixteen.
        session.get_one(Relationship, ours.relationships[3]).level = level
    client = log_in(house, ours.parent)
    card = client.get(f"/friends?child={ours.children[1]}").text
    page = client.get(f"/friends/{ours.relationships[3]}").text
    for text in (card, page):
        assert ("Asking for pictures" in text) is told
        assert ('class="badge' in text) is told
    assert ("tells only what is grave" in page) is not told
