"""A child's page: what everyone can read and how to take it back, and how the child is; never more words than needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from jaga.family.home.pages.child import removing
from jaga.store._tables import AuditLine, Child, Family, Relationship, Trusted
from tests.family.home.conftest import Opened, log_in, make_house


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Opened]:
    found = make_house(tmp_path / "jaga", hostile=False)
    yield found
    found[0].close()


def test_own_posts_are_shown_with_how_to_take_them_back(fresh: Opened) -> None:
    house, ours, _ = fresh
    text = log_in(house, ours.parent).get(f"/children/{ours.children[0]}").text
    posts = text.split('id="posts"')[1].split("</section>")[0]
    assert "my number is 012-0000000" in posts
    assert "Gives a phone number" in posts
    assert "<h4>Instagram</h4>" in posts
    assert "choose Archive or Delete" in posts
    with house.store.session(read_only=True) as session:
        assert session.scalars(sa.select(AuditLine.what)).all() == ["child.posts"]


@pytest.mark.parametrize(("birth", "words"), [("2013-05", True), ("2010-01", False)], ids=["13", "16"])
def test_of_an_older_child_only_the_kind_is_named(fresh: Opened, birth: str, words: bool) -> None:
    house, ours, _ = fresh
    with house.store.session() as session:
        session.get_one(Child, ours.children[0]).birth = birth
        session.get_one(Family, ours.family).settings = {"disclosure": {"13-15": "messages", "16-17": "lines"}}
    text = log_in(house, ours.parent).get(f"/children/{ours.children[0]}").text
    assert ("my number is" in text) is words
    assert "Gives a phone number" in text


def test_distress_is_counted_and_not_quoted(opened: Opened) -> None:
    house, ours, _ = opened
    text = log_in(house, ours.parent).get(f"/children/{ours.children[0]}").text
    wellbeing = text.split('id="wellbeing"')[1].split("</section>")[0]
    assert "Says they are scared or panicking: 1 message" in wellbeing
    assert "<blockquote" not in wellbeing
    # 8+8 of 97 at one and before, 25 from eleven on, twice (one contact, and own posts).
    assert (
        "42 % of Aina&#39;s messages to contacts of the last three months were written between 23:00 and 5:00."
        in wellbeing
    )
    assert "charges outside the bedroom" in wellbeing


def test_thoughts_of_not_living_come_first_and_say_what_to_do(fresh: Opened) -> None:
    house, ours, _ = fresh
    with house.store.session() as session:
        row = session.get_one(Relationship, ours.relationships[0])
        row.assessment = row.assessment.replace(b"\xa6scared", b"\xa9self_harm")
    text = log_in(house, ours.parent).get(f"/children/{ours.children[0]}").text
    assert '<li class="grave">Speaks of not wanting to live' in text
    assert "stay with them and call a crisis line" in text


def test_what_was_told_to_single_contacts_is_named_without_the_detail(opened: Opened) -> None:
    house, ours, _ = opened
    text = log_in(house, ours.parent).get(f"/children/{ours.children[0]}").text
    exposure = text.split('id="exposure"')[1].split("</section>")[0]
    assert "Gives a phone number: to 1 contact" in exposure
    assert "<blockquote" not in exposure


def test_what_is_not_read_is_said(fresh: Opened) -> None:
    house, ours, _ = fresh
    with house.store.session() as session:
        session.execute(sa.update(Trusted).where(Trusted.child == ours.children[0]).values(kind="protected"))
    client = log_in(house, ours.parent)
    assert "Protected lines: her aunt." in client.get(f"/children/{ours.children[0]}").text
    text = client.get(f"/children/{ours.children[1]}").text
    assert "has not been told about Jaga yet: nothing is read before" in text
    assert "there is no tracking" in text


def test_steps_to_take_back_are_there_for_any_app() -> None:
    steps = removing().apps
    assert steps["any"]
    assert all(steps.values())
    assert {"instagram", "facebook", "tiktok", "x", "youtube"} <= set(steps)
