"""What is kept for how long, and how it goes away: retention, erasing, protecting, exporting."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from jaga.errors import StoreError, UsageError
from jaga.store import _tables as t
from jaga.store import (
    alert_messages,
    backup,
    broken_lines,
    change_settings,
    drop_expired,
    erase_child,
    export_family,
    import_paths,
    protect_contact,
)
from tests.store import pages
from tests.store.house import NOW, Home, chat, line, talk, write

_SAID = "the purple umbrella stands behind the door"
_FRIEND = talk("mei", [("mei", _SAID), ("aina", "oh nice"), ("mei", "see you at the bus stop")], start=2)


def _later(days: float) -> object:
    return NOW + timedelta(days=days)


def test_messages_without_an_alert_go_after_their_days(home: Home) -> None:
    result = home.bring([*chat(), *_FRIEND])
    assert drop_expired(home.store, NOW + timedelta(days=29, hours=23)) == 0
    dropped = drop_expired(home.store, NOW + timedelta(days=30))
    assert dropped >= 3
    assert home.count(t.Message) == 20 - dropped
    assert home.count(t.Seen) == 20
    with home.store.session(read_only=True) as session:
        assert session.scalar(sa.select(sa.func.count()).where(t.Message.sealed.is_(None))) == 0
        for alert in result.alerts:
            assert all(one.intact for one in alert_messages(session, alert, context=True))
        assert session.scalars(sa.select(t.AuditLine.what)).all()[-1] == "retention.dropped"
    # What was dropped is not taken in again.
    assert home.bring([*chat(), *_FRIEND], name="again.jsonl", now=NOW + timedelta(days=31)).new == 0


def test_a_family_chooses_its_days(home: Home) -> None:
    home.bring(_FRIEND)
    with home.store.session() as session:
        change_settings(session, home.family, by=1, now=NOW, retention_days=7)
        with pytest.raises(UsageError, match="out of bounds"):
            change_settings(session, home.family, by=1, now=NOW, retention_days=0)
        with pytest.raises(UsageError, match="no setting"):
            change_settings(session, home.family, by=1, now=NOW, retention=3)
    assert drop_expired(home.store, NOW + timedelta(days=6)) == 0
    assert drop_expired(home.store, NOW + timedelta(days=7)) == 3


def test_judging_goes_on_where_dropped_messages_left_it(home: Home) -> None:
    """The same as if nothing had been dropped, although older messages come in after the dropping."""
    lines = chat(step=60 * 24)
    early, middle, late = lines[:6], lines[6:12], lines[12:]
    home.bring(early)
    assert drop_expired(home.store, NOW + timedelta(days=40)) == 6
    # First what is newest, then what lies between it and what was dropped.
    home.bring(late, name="late.jsonl", now=NOW + timedelta(days=41))
    home.bring(middle, name="middle.jsonl", now=NOW + timedelta(days=42))
    whole = home.another()
    whole.bring(lines)
    assert home.assessments() == whole.assessments()
    assert home.facts() == whole.facts()


def test_dropping_in_steps_changes_no_judgement(home: Home) -> None:
    lines = [*chat(step=60 * 12), *talk("ray2", [("ray", "hi its me again"), ("aina", "oh")], start=4000)]
    for at in range(0, len(lines), 5):
        home.bring(lines[at : at + 5], name=f"{at}.jsonl", now=NOW + timedelta(days=at))
    before = home.assessments()
    for day in range(30, 60, 7):
        drop_expired(home.store, NOW + timedelta(days=day))
    assert home.assessments() == before
    # A line between kept ones makes everything after it be judged anew: from what is folded and what is kept.
    between = line("ray", "ray", 60 * 12 * 15 + 5, "are you there")
    home.bring([between], name="between.jsonl", now=NOW + timedelta(days=61))
    whole = home.another()
    whole.bring([*lines, between])
    assert home.assessments()["ray"].messages == whole.assessments()["ray"].messages == 20
    assert home.assessments()["ray"].level == whole.assessments()["ray"].level


def test_a_message_dated_in_the_future_is_dropped_like_others(home: Home) -> None:
    home.bring([*_FRIEND, line("mei", "mei", 60 * 24 * 365 * 20, "from the future")])
    assert drop_expired(home.store, NOW + timedelta(days=30)) == 4
    home.bring([line("mei", "mei", 60 * 24, "a day later")], name="later.jsonl", now=NOW + timedelta(days=31))
    assert home.assessments()["mei"].messages == 5


def test_a_clock_that_went_back_drops_nothing(home: Home) -> None:
    home.bring(_FRIEND)
    with pytest.raises(StoreError, match="the clock says"):
        drop_expired(home.store, NOW - timedelta(days=60))
    assert home.count(t.Message) == 3


def test_dropped_words_are_gone_from_the_decrypted_pages(cipher_home: Home) -> None:
    home = cipher_home
    home.bring(_FRIEND)
    assert pages.holds(home.store, _SAID)
    drop_expired(home.store, NOW + timedelta(days=30))
    home.store.engine.dispose()
    # What the next line is understood by keeps the last line of each side (docs/store.md); that one is not among them any more.
    assert not pages.holds(home.store, _SAID)


def test_erasing_a_child_leaves_nothing_but_a_number(home: Home) -> None:
    with home.store.session() as session:
        other = home.new_child(home.family, session=session)
    home.bring([*chat(), *_FRIEND])
    import_paths(home.store, other, [write(home.folder / "o.jsonl", chat("other"))], now=NOW, by=None)
    made = backup(home.store, home.folder / "one.jagabackup", by=None, now=NOW)
    erased = erase_child(home.store, home.child, by=1, now=NOW)
    assert erased.messages == 20
    assert erased.swept
    assert [path for path, _ in erased.backups] == [made.path]
    for table in (t.Message, t.Seen, t.Relationship, t.Conversation, t.Alert, t.Original, t.Import, t.ChildAccount):
        with home.store.session(read_only=True) as session:
            left = set(session.scalars(sa.select(table.child).distinct()))
        assert left == {other}, table
    with home.store.session(read_only=True) as session:
        assert session.scalars(sa.select(t.Child.id)).all() == [other]
        assert session.scalars(sa.select(t.Erasure.child)).all() == []
        lines = session.scalars(sa.select(t.AuditLine).order_by(t.AuditLine.id)).all()
        assert (lines[-1].what, lines[-1].subject) == ("child.erased", f"child:{home.child}")
        assert not any("Aina" in msgspec.json.encode(one.detail).decode() for one in lines)
        assert list(broken_lines(session)) == []
    with pytest.raises(UsageError, match="no such child"):
        erase_child(home.store, home.child, by=1, now=NOW)


def test_an_erased_child_is_gone_from_the_decrypted_pages(cipher_home: Home) -> None:
    home = cipher_home
    home.bring([*chat(), *_FRIEND])
    assert pages.holds(home.store, "Aina")
    assert pages.holds(home.store, "you promised")
    erase_child(home.store, home.child, by=1, now=NOW)
    home.store.engine.dispose()
    for word in ("Aina", "you promised", _SAID, "ray"):
        assert not pages.holds(home.store, word), word


def test_whoever_is_protected_later_is_forgotten(home: Home) -> None:
    home.bring([*_FRIEND, *talk("help", [("help", "how are you today"), ("aina", "not so good")], start=9)])
    protect_contact(home.store, home.child, "help", who="counsellor", by=1, now=NOW)
    assert set(home.assessments()) == {"mei"}
    assert home.count(t.Message) == 3
    again = home.bring(talk("help", [("help", "how are you today"), ("aina", "not so good")], start=9), name="n.jsonl")
    assert (again.new, again.skipped) == (0, 2)
    with home.store.session(read_only=True) as session:
        assert all(b"help" not in one for one in session.scalars(sa.select(t.Message.record)))


def test_export_holds_all_that_is_stored_and_no_secret(home: Home) -> None:
    home.bring([*chat(), *_FRIEND])
    with home.store.session() as session:
        session.add(
            t.Person(
                family=home.family,
                role="parent",
                name="Siti",
                language="ms",
                child=None,
                passphrase="$argon2id$secret",
                slot="siti",
                totp_secret="TOTPSECRET",
                totp_step=None,
                locked_until=None,
                created_at=NOW,
                removed_at=None,
            )
        )
    file = io.BytesIO()
    count = export_family(home.store, home.family, file, by=1, now=NOW)
    raw = file.getvalue()
    lines = [msgspec.json.decode(one) for one in raw.splitlines()]
    assert len(lines) == count
    messages = [one for one in lines if one["table"] == "messages"]
    assert {one["record"]["text"] for one in messages} >= {_SAID, "how old are you"}
    assert {one["table"] for one in lines} >= {"children", "people", "relationships", "alerts", "audit", "originals"}
    assert b"argon2id" not in raw
    assert b"TOTPSECRET" not in raw
    with home.store.session(read_only=True) as session:
        assert session.scalars(sa.select(t.AuditLine.what)).all()[-1] == "exported"
    _, stranger = home.new_family()
    file = io.BytesIO()
    export_family(home.store, home.family, file, by=1, now=NOW, child=home.child)
    assert b'"table":"people"' not in file.getvalue()
    assert all(msgspec.json.decode(one).get("child", home.child) == home.child for one in file.getvalue().splitlines())
    assert stranger != home.child


def test_the_decrypted_pages_are_what_sqlite_reads(cipher_home: Home) -> None:
    """The test's own reader of pages is right: otherwise finding nothing in them would say nothing."""
    home = cipher_home
    home.bring(_FRIEND)
    first = pages.decrypted(home.store.folder / "jaga.db", home.store.key)
    assert first
    assert all(isinstance(one, bytes) and len(one) == pages.SIZE - pages.RESERVE for one in first)
    assert isinstance(home.folder, Path)
