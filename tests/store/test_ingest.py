"""Bringing exports in: each message once, whatever overlaps, in whatever order; judged as if all had been there at once."""

from __future__ import annotations

import random
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from jaga.engine import Engine
from jaga.errors import StoreError, UnreadableInput, UsageError
from jaga.records import Message
from jaga.sources import Context, gather, zone_of
from jaga.store import _tables as t
from jaga.store import alert_messages, audit, broken_lines, import_paths, queue_import, run_imports, tell_child
from tests.store.house import NOW, Home, Line, chat, line, talk, write

_FRIEND = talk("mei", [("mei", "did you do the maths"), ("aina", "ya, page 12"), ("mei", "thanks!!")], start=3)
_GROUP = [
    line("class", author, 5 + at, text, kind="group")
    for at, (author, text) in enumerate(
        [
            ("mei", "who has the timetable"),
            ("ray", "you are the prettiest here mei, how old are you"),
            ("aina", "its on the door"),
            ("danial", "thx"),
            ("aina", "welcome"),
        ]
    )
]


def _at_once(home: Home, lines: list[Line]) -> dict[str, object]:
    """What an engine says that hears everything in time order."""
    path = write(home.folder / "all-at-once.jsonl", lines)
    zone = "Asia/Kuala_Lumpur"
    gathered = gather([path], Context(zone=zone_of(zone), zone_name=zone), isolated=False)
    engine = Engine(
        child="aina", zone=zone, conversations=gathered.conversations.values(), accounts=gathered.accounts.values()
    )
    engine.observe_all(sorted(gathered.messages(), key=lambda one: (one.sent_at, one.conversation)))
    return {one.contact: one for one in engine.assessments()}


def test_new_messages_are_kept_and_judged(home: Home) -> None:
    lines = [*chat(), *_FRIEND]
    result = home.bring(lines)
    assert (result.read, result.new, result.skipped) == (20, 20, 0)
    assert result.child == ("aina",)
    assert set(result.relationships) == {"ray", "mei"}
    assert home.assessments() == _at_once(home, lines)
    assert home.count(t.Message) == home.count(t.Seen) == 20
    with home.store.session(read_only=True) as session:
        alerts = session.scalars(sa.select(t.Alert).order_by(t.Alert.id)).all()
        assert tuple(one.id for one in alerts) == result.alerts
        assert alerts
        assert alerts[0].level == "concern"
        assert session.scalar(sa.select(t.Relationship.told).where(t.Relationship.contact == "ray")) == alerts[-1].level
        assert list(broken_lines(session)) == []


def test_the_same_again_adds_nothing(home: Home) -> None:
    first = home.bring(chat())
    before, facts = home.assessments(), home.facts()
    again = home.bring(chat(), name="copy.jsonl")
    assert first.new == 17
    assert (again.read, again.new, again.alerts, again.relationships) == (17, 0, (), ())
    assert home.assessments() == before
    assert home.facts() == facts


def test_overlapping_exports_add_what_is_new(home: Home) -> None:
    lines = chat()
    assert home.bring(lines[:9]).new == 9
    assert home.bring(lines[5:], name="later.jsonl").new == 8
    assert home.assessments() == _at_once(home, lines)


@pytest.mark.parametrize("seed", range(6))
def test_any_order_and_pieces_give_the_same(home: Home, seed: int) -> None:
    # Ray writes in two chats and in the group; times of the chats interleave.
    lines = [
        *chat(step=7),
        *_FRIEND,
        *_GROUP,
        *talk("ray2", [("ray", "new number, its me"), ("aina", "oh ok")], start=40),
    ]
    pieces: dict[int, list[Line]] = {}
    for one in lines:
        # Pieces never cut through one minute of one conversation: which comes first could not be known.
        pieces.setdefault(hash((one["conversation"], one["time"], seed)) % 4, []).append(one)
    order = sorted(pieces)
    random.Random(seed).shuffle(order)
    for number in order:
        home.bring(pieces[number], name=f"piece{number}.jsonl")
    expected = home.another()
    expected.bring(lines)
    assert home.assessments() == expected.assessments() == _at_once(home, lines)
    assert home.facts() == expected.facts()
    with home.store.session(read_only=True) as session:
        assert not session.scalar(sa.select(sa.func.count()).where(t.Conversation.stale))
        assert not session.scalar(sa.select(sa.func.count()).where(t.Relationship.stale))
        assert list(broken_lines(session)) == []


def test_an_alert_for_each_rise_and_no_more(home: Home) -> None:
    for at, one in enumerate(chat()):
        home.bring([one], name=f"{at}.jsonl")
    with home.store.session(read_only=True) as session:
        told = session.scalars(sa.select(t.Alert.level).order_by(t.Alert.id)).all()
    assert len(told) == len(set(told))
    whole = home.another()
    whole.bring(chat())
    with whole.store.session(read_only=True) as session:
        assert session.scalars(sa.select(t.Alert.level).order_by(t.Alert.id)).all() == told
    assert home.assessments() == whole.assessments()


def test_nothing_is_read_before_the_child_was_told(home: Home) -> None:
    _, child = home.new_family(told=False)
    path = write(home.folder / "export.jsonl", chat())
    with pytest.raises(UsageError, match="was not told yet") as raised:
        import_paths(home.store, child, [path], now=NOW, by=None)
    assert raised.value.remedy is not None
    assert "tell your child" in raised.value.remedy
    with pytest.raises(UsageError, match="was not told yet"):
        queue_import(home.store, child, path, "export", by=None, uploaded=False, now=NOW)
    assert home.count(t.Import) == 0
    with home.store.session() as session:
        tell_child(session, child, by=None, now=NOW)
    assert import_paths(home.store, child, [path], now=NOW, by=None).new == 17


def test_protected_contacts_are_never_read(home: Home) -> None:
    secret = talk("help", [("buddybear", "hello, how can we help"), ("aina", "i want to talk about home")], start=2)
    in_group = [line("class", "buddybear", 30, "our line is open", kind="group"), *_GROUP]
    with home.store.session() as session:
        session.add(t.Trusted(child=home.child, contact="BuddyBear", kind="protected", who="helpline", by=1, at=NOW))
    result = home.bring([*secret, *in_group, *_FRIEND])
    assert result.skipped == 3
    assert result.new == len(_GROUP) + len(_FRIEND)
    assert "buddybear" not in home.assessments()
    with home.store.session(read_only=True) as session:
        assert session.get_one(t.Import, result.import_id).found["skipped"] == 3
        stored = [
            *session.scalars(sa.select(t.Message.record)),
            *(msgspec.msgpack.encode(one) for one in session.scalars(sa.select(t.Conversation.record))),
            *(one for one in session.scalars(sa.select(t.Conversation.state)) if one),
        ]
    assert stored
    assert not any(b"buddybear" in one or b"talk about home" in one for one in stored)


def test_the_child_is_found_or_asked_for(home: Home) -> None:
    with home.store.session() as session:
        session.execute(sa.delete(t.ChildAccount))
    with pytest.raises(UsageError, match="cannot tell which of them is Aina") as raised:
        home.bring(chat())
    assert "under which name" in str(raised.value)
    with home.store.session(read_only=True) as session:
        failed = session.scalars(sa.select(t.Import)).one()
        assert failed.state == "failed"
        assert set(failed.people) == {"aina", "ray"}
    path = home.folder / "export.jsonl"
    found = import_paths(home.store, home.child, [path], now=NOW, by=None, names=["aina"])
    assert (found.child, found.how, found.new) == (("aina",), "named", 17)
    # From now on it is known.
    assert home.bring(_FRIEND).child == ("aina",)


def test_whoever_is_in_most_chats_is_the_child_and_it_is_said(home: Home) -> None:
    with home.store.session() as session:
        session.execute(sa.delete(t.ChildAccount))
    result = home.bring([*chat(), *_FRIEND])
    assert (result.child, result.how) == (("aina",), "recurring")
    with home.store.session(read_only=True) as session:
        assert session.scalars(sa.select(t.ChildAccount.author)).all() == ["aina"]


def test_a_second_name_of_the_child_found_later_is_no_contact(home: Home) -> None:
    second = talk("pm", [("aina_ig", "hi"), ("ray", "hello"), ("aina_ig", "whats up")], start=100)
    home.bring([*chat(), *second])
    assert "aina_ig" in home.assessments()
    path = write(home.folder / "more.jsonl", talk("pm2", [("aina_ig", "yo"), ("mei", "yo")], start=200))
    import_paths(home.store, home.child, [path], now=NOW, by=None, names=["aina_ig"])
    assert "aina_ig" not in home.assessments()
    assert home.assessments()["ray"].messages == 20


def test_original_files_are_hashed_and_each_message_knows_its_place(home: Home) -> None:
    folder = home.folder / "exports"
    folder.mkdir()
    write(folder / "one.jsonl", chat())
    write(folder / "two.jsonl", _FRIEND)
    import_paths(home.store, home.child, [folder], now=NOW, by=None)
    with home.store.session(read_only=True) as session:
        originals = {one.id: one for one in session.scalars(sa.select(t.Original))}
        rows = [
            (original or 0, record)
            for original, record in session.execute(sa.select(t.Message.original, t.Message.record))
        ]
    assert {one.name for one in originals.values()} == {"exports/one.jsonl", "exports/two.jsonl"}
    for one in originals.values():
        assert one.kept_where is not None
        raw = Path(one.kept_where).read_bytes()
        assert (one.sha256, one.size_bytes) == (sha256(raw).digest(), len(raw))
    by_name = {one.id: one.name for one in originals.values()}
    for original, record in rows:
        message = msgspec.msgpack.decode(record, type=Message)
        assert by_name[original].endswith(
            "two.jsonl" if message.author == "mei" or "12" in message.text else "one.jsonl"
        )
        assert message.where is not None
        number = int(message.where.removeprefix("line "))
        assert message.text in Path(originals[original].kept_where or "").read_text("utf-8").splitlines()[number - 1]


def test_queued_imports_run_in_order_and_one_that_fails_stops_none(home: Home) -> None:
    good = write(home.folder / "good.jsonl", chat())
    missing = home.folder / "missing.jsonl"
    first = queue_import(home.store, home.child, missing, "missing", by=None, uploaded=False, now=NOW)
    second = queue_import(home.store, home.child, good, "good", by=None, uploaded=False, now=NOW)
    heard: list[tuple[int, int]] = []
    results = run_imports(home.store, now=NOW, progress=lambda one, count: heard.append((one, count)))
    assert len(results) == 2
    assert heard == [(second, 17)]
    with home.store.session(read_only=True) as session:
        states = {one.id: (one.state, one.new) for one in session.scalars(sa.select(t.Import))}
        problems = session.get_one(t.Import, first).inputs
    assert states[second] == ("done", 17)
    assert states[first] == ("failed", 0)
    assert "no such file" in problems[0]["problems"][0]["what"]
    assert isinstance(results[0], UnreadableInput)
    assert run_imports(home.store, now=NOW) == []


@pytest.mark.parametrize("text", ["zero \0 byte", "\u202e turned", "🙈" * 3, ""])
def test_broken_texts_are_taken_in_once(home: Home, text: str) -> None:
    lines = [line("c", "r\0ay", 0, text), line("c", "aina", 1, text)]
    assert home.bring(lines).new == 2
    assert home.bring(lines, name="again.jsonl").new == 0
    home.bring([line("c", "r\0ay", -5, "earlier")], name="earlier.jsonl")
    assert home.count(t.Message) == 3


def test_alerts_are_sealed_with_their_context_and_cannot_be_changed(home: Home) -> None:
    home.bring([*chat(), *_FRIEND])
    with home.store.session() as session:
        alert = session.scalars(sa.select(t.Alert)).first()
        assert alert is not None
        shown = alert_messages(session, alert.id, context=False)
        around = alert_messages(session, alert.id, context=True)
        assert shown
        assert all(one.intact and one.shows for one in shown)
        assert len(around) > len(shown)
        assert [one.message.sent_at for one in around] == sorted(one.message.sent_at for one in around)
        audit(session, "alert.read", at=NOW, subject=f"alert:{alert.id}")
    for statement in (
        "UPDATE messages SET record = record WHERE sealed IS NOT NULL",
        "DELETE FROM messages WHERE sealed IS NOT NULL",
        "UPDATE alerts SET level = 'none'",
        "DELETE FROM alerts",
        "UPDATE audit SET what = 'nothing'",
        "DELETE FROM audit",
        "DELETE FROM seen",
        "UPDATE originals SET name = 'x'",
        "DELETE FROM originals",
    ):
        with pytest.raises(sa.exc.DBAPIError, match="jaga:"), home.store.session() as session:
            session.execute(sa.text(statement))


def test_context_that_comes_later_is_added_to_an_alert(home: Home) -> None:
    lines = chat()
    next(at for at in range(len(lines)) if home.bring(lines[: at + 1], name=f"{at}.jsonl").alerts)
    with home.store.session(read_only=True) as session:
        alert = session.scalars(sa.select(t.Alert)).one()
        assert not alert.settled
        before = {one.id for one in alert_messages(session, alert.id, context=True)}
    # A line or two of these may be cited as well, and then wants lines behind it of its own.
    for at in range(12):
        home.bring([line("ray", "aina", 200 + at, "hmm")], name=f"later{at}.jsonl")
        with home.store.session(read_only=True) as session:
            alert = session.scalars(sa.select(t.Alert)).one()
            after = {one.id for one in alert_messages(session, alert.id, context=True)}
            if alert.settled:
                break
    assert alert.settled
    assert before < after


def test_facts_of_a_friend(home: Home) -> None:
    home.bring([*chat(step=60), *_GROUP])
    facts = home.facts()["ray"]
    assert isinstance(facts, dict)
    assert sum(facts["hours"]) == 11
    # 12:00 UTC is 20:00 in Kuala Lumpur.
    assert facts["hours"][20] >= 1
    assert facts["days"] == 2
    assert facts["starts"] == {"contact": 1, "child": 0}
    assert len(facts["groups"]) == 1
    assert facts["platforms"]
    assert "image_request" in facts["heard"]


def test_a_clock_that_went_back_takes_nothing_in(home: Home) -> None:
    home.bring(chat())
    with pytest.raises(StoreError, match="the clock says") as raised:
        home.bring(_FRIEND, name="friend.jsonl", now=NOW - timedelta(days=300))
    assert raised.value.remedy is not None
    assert home.count(t.Message) == 17


@pytest.mark.isolated
def test_read_in_a_worker_process_it_is_the_same(cipher_home: Home) -> None:
    assert cipher_home.bring([*chat(), *_FRIEND]).new == 20
    assert cipher_home.assessments() == _at_once(cipher_home, [*chat(), *_FRIEND])
