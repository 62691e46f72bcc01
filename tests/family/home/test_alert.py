"""One alert: only what explains it is shown, each look is written down, and the family's answer can be taken back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from jaga.family.home import House
from jaga.store._tables import Alert, AuditLine, Child, Family, FeedbackLine, Message
from tests.family.home.conftest import Opened, csrf_of, log_in, make_house


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Opened]:
    """A household of this test's own, for those that change it."""
    found = make_house(tmp_path / "jaga", hostile=False)
    yield found
    found[0].close()


def deeds(house: House) -> list[tuple[str, str | None]]:
    with house.store.session(read_only=True) as session:
        return [
            (line.what, line.subject) for line in session.scalars(sa.select(AuditLine).order_by(AuditLine.id)).all()
        ]


def test_it_says_what_happened_shows_the_messages_and_what_to_do(opened: Opened) -> None:
    house, ours, _ = opened
    text = log_in(house, ours.parent).get(f"/alerts/{ours.alerts[0]}").text
    assert "<h1><bdi>KingRay</bdi></h1>" in text
    assert "In the messages of KingRay Jaga heard: asking for secrecy" in text
    shown = re.findall(r"<blockquote[^>]*>(.*?)</blockquote>", text)
    assert shown == [
        "hi, how old are you?",
        "13",
        "do not tell your parents about us",
        "ok",
        "I give you 50 robux",
        "send me a photo only for me",
    ]
    # A picture is named, never shown.
    assert "1 picture, not shown: IMG-2026.jpg" in text
    assert set(re.findall(r'<img [^>]*src="([^"]*)"', text)) <= {"/static/icon.svg"}
    # Aina is 13: the words for her age, and Malaysia's help.
    assert "I am not angry and I will not take your phone away" in text
    assert "15999" in text
    assert "never proves guilt" in text
    assert f'href="/alerts/{ours.alerts[0]}/pack"' in text


def test_the_lines_around_are_asked_for_and_every_look_is_written_down(fresh: Opened) -> None:
    house, ours, _ = fresh
    client = log_in(house, ours.parent)
    alert = ours.alerts[0]
    before = client.get(f"/alerts/{alert}").text
    assert "because I like you" not in before
    assert deeds(house) == [("alert.seen", f"alert:{alert}"), ("alert.messages", f"alert:{alert}")]
    around = client.get(f"/alerts/{alert}/around").text
    assert '<blockquote dir="auto">because I like you</blockquote>' in around
    assert around.count('class="aside"') == 2
    client.get(f"/alerts/{alert}")
    assert [what for what, _ in deeds(house)] == [
        "alert.seen",
        "alert.messages",
        "alert.messages.around",
        "alert.messages",
    ]


@pytest.mark.parametrize(("chosen", "lines", "around"), [("messages", 6, 200), ("lines", 6, 403), ("summary", 0, 403)])
def test_how_much_is_shown_is_what_the_family_set_for_the_childs_age(
    fresh: Opened, chosen: str, lines: int, around: int
) -> None:
    house, ours, _ = fresh
    with house.store.session() as session:
        session.get_one(Family, ours.family).settings = {"disclosure": {"13-15": chosen}}
    client = log_in(house, ours.parent)
    text = client.get(f"/alerts/{ours.alerts[0]}").text
    assert text.count("<blockquote") == lines
    assert ("Show two lines around it" in text) is (around == 200)
    assert client.get(f"/alerts/{ours.alerts[0]}/around").status_code == around
    # What was heard and what to do is said in any case.
    assert "In the messages of KingRay Jaga heard" in text
    assert "Talian Kasih" in text


def test_a_message_that_was_changed_after_it_was_sealed_says_so(fresh: Opened) -> None:
    house, ours, _ = fresh
    with house.store.session() as session:
        # The store does not allow it; whoever has the key and a tool of their own can do it all the same.
        for name in session.scalars(sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
            session.execute(sa.text(f'DROP TRIGGER "{name}"'))
        row = session.scalars(sa.select(Message).where(Message.child == ours.children[0])).first()
        assert row is not None
        session.execute(sa.update(Message).where(Message.id == row.id).values(sealed=bytes(32)))
    text = log_in(house, ours.parent).get(f"/alerts/{ours.alerts[0]}").text
    assert text.count("was changed after it was sealed") == 1


@pytest.mark.parametrize("kind", ["fine", "talked", "reported"])
def test_an_answer_stands_until_it_is_taken_back(fresh: Opened, kind: str) -> None:
    house, ours, _ = fresh
    client = log_in(house, ours.parent)
    csrf, alert = csrf_of(client), ours.alerts[0]
    sent = client.post(f"/alerts/{alert}/answer", data={"csrf": csrf, "kind": kind, "reason": " it is my brother "})
    assert (sent.status_code, sent.headers["location"]) == (303, f"/alerts/{alert}#answer")
    text = client.get(f"/alerts/{alert}").text
    assert "it is my brother" in text
    assert "Take the answer back" in text
    assert f'href="/alerts/{alert}"' not in client.get("/").text
    client.post(f"/alerts/{alert}/undo", data={"csrf": csrf})
    assert "Take the answer back" not in client.get(f"/alerts/{alert}").text
    assert f'href="/alerts/{alert}"' in client.get("/").text
    with house.store.session(read_only=True) as session:
        lines = session.scalars(sa.select(FeedbackLine).where(FeedbackLine.alert == alert)).all()
        # Nothing is taken away: the withdrawal stands beside what it withdraws.
        assert [(line.kind, line.withdraws) for line in lines] == [(kind, None), ("withdrawn", lines[0].id)]
        assert session.get_one(Alert, alert).state == "seen"


def test_an_answer_that_nobody_can_give_is_refused(fresh: Opened) -> None:
    house, ours, _ = fresh
    client = log_in(house, ours.parent)
    csrf = csrf_of(client)
    for form in ({"kind": "seen"}, {"kind": "guilty"}, {}, {"kind": "fine", "reason": "x" * 501}):
        assert client.post(f"/alerts/{ours.alerts[0]}/answer", data={"csrf": csrf, **form}).status_code == 422
    assert client.post(f"/alerts/{ours.alerts[0]}/answer", data={"kind": "fine"}).status_code == 403
    with house.store.session(read_only=True) as session:
        assert session.get_one(Alert, ours.alerts[0]).state == "new"


def test_first_words_stand_in_for_what_retention_dropped(fresh: Opened) -> None:
    house, ours, _ = fresh
    with house.store.session() as session:
        alert = session.get_one(Alert, ours.alerts[0])
        alert.evidence = alert.evidence[1:]
        session.get_one(Child, ours.children[0]).birth = "2018-01"
    text = log_in(house, ours.parent).get(f"/alerts/{ours.alerts[0]}").text
    assert text.count("Only the first words are kept.") == 1
    # A younger child: other words to begin with.
    assert "I saw something that made me think" in text
