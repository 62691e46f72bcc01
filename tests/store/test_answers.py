"""What a family sets and answers moves how much it is told, as jaga.assessment.Tuning allows, and is never lost."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
import sqlalchemy as sa

from jaga.assessment import Feedback, Tuning
from jaga.engine import Engine
from jaga.errors import StoreError, UsageError
from jaga.records import Message
from jaga.store import _tables as t
from jaga.store import answer_alert, broken_lines, change_settings, drop_expired
from tests.store.house import NOW, Home, Line, chat, talk

# So mild that settings decide.
_MILD = [
    *talk(
        "zul", [("zul", "how old are you"), ("aina", "13"), ("zul", "you are so mature for your age"), ("aina", "haha")]
    ),
    *talk(
        "kev",
        [("kev", "are you home alone ?"), ("aina", "ya"), ("kev", "lets move to telegram"), ("aina", "why")] * 2,
        start=40,
    ),
]


@pytest.fixture(autouse=True)
def _ears_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    # What the encoder reads decides about mild talk; here the settings are to.
    monkeypatch.setattr("jaga.assessment._assessor.load_encoder", lambda: None)


def _levels(home: Home, tuning: Tuning) -> dict[str, str]:
    """What an engine says that had the tuning from the start."""
    with home.store.session(read_only=True) as session:
        rows = session.scalars(sa.select(t.Message.record).order_by(t.Message.sent_at, t.Message.id)).all()
    engine = Engine(child="aina", zone="Asia/Kuala_Lumpur", tuning=tuning)
    engine.observe_all(msgspec.msgpack.decode(row, type=Message) for row in rows)
    return {one.contact: one.level for one in engine.assessments()}


def _stored(home: Home) -> dict[str, str]:
    with home.store.session(read_only=True) as session:
        rows = session.execute(sa.select(t.Relationship.contact, t.Relationship.level)).all()
    levels = {one.contact: one.level for one in home.assessments().values()}
    assert levels == dict(rows)
    return dict(rows)


@pytest.mark.parametrize("overall", [-1.0, 1.0])
def test_what_the_family_sets_holds_for_all_relationships(home: Home, overall: float) -> None:
    lines: list[Line] = [*chat(), *_MILD]
    before = len(home.bring(lines).alerts)
    assert _stored(home) == _levels(home, Tuning())
    with home.store.session() as session:
        change_settings(session, home.family, by=1, now=NOW, sensitivity=overall)
    # Nothing new comes in; what is there is judged by it all the same.
    more = home.bring(lines, name="again.jsonl").alerts
    assert _stored(home) == _levels(home, Tuning(overall=overall))
    # Of what rose by it they are told, as of any rise.
    assert before >= 1
    assert len(more) == (1 if overall > 0 else 0)
    with home.store.session() as session:
        change_settings(session, home.family, by=1, now=NOW, sensitivity=0.0)
    drop_expired(home.store, NOW + timedelta(days=1))
    assert _stored(home) == _levels(home, Tuning())


def test_a_setting_moves_a_level_at_all(home: Home) -> None:
    """Otherwise the test above would say nothing."""
    home.bring([*chat(), *_MILD])
    found = {tuple(sorted(_levels(home, Tuning(overall=one)).items())) for one in (-1.0, 0.0, 1.0)}
    assert len(found) > 1


def test_an_answer_counts_at_once_and_stays(home: Home) -> None:
    result = home.bring([*chat(), *_MILD])
    alert = result.alerts[0]
    with home.store.session() as session:
        contact = session.get_one(t.Relationship, session.get_one(t.Alert, alert).relationship).contact
        answer_alert(session, alert, "fine", by=1, reason="her uncle", now=NOW)
    event = Feedback(at=NOW, contact=contact, kind="fine")
    expected = _levels(home, Tuning.from_feedback([event]))
    assert _stored(home)[contact] == expected[contact]
    home.bring([*chat(), *_MILD], name="again.jsonl")
    assert _stored(home) == expected
    with home.store.session(read_only=True) as session:
        row = session.get_one(t.Alert, alert)
        assert (row.state, row.state_by, row.reason) == ("fine", 1, "her uncle")
        assert session.scalars(sa.select(t.FeedbackLine.kind)).all() == ["fine"]
        assert "alert.fine" in session.scalars(sa.select(t.AuditLine.what)).all()
        assert not any("uncle" in str(one) for one in session.scalars(sa.select(t.AuditLine.detail)))
        assert list(broken_lines(session)) == []


def test_a_look_is_noted_and_undoes_no_answer(home: Home) -> None:
    (alert, *_) = home.bring(chat()).alerts
    for kind, state in (("seen", "seen"), ("talked", "talked"), ("seen", "talked"), ("reported", "reported")):
        with home.store.session() as session:
            answer_alert(session, alert, kind, by=1, reason=None, now=NOW)  # type: ignore[arg-type]
            assert session.get_one(t.Alert, alert).state == state
    assert home.count(t.FeedbackLine) == 2
    with home.store.session() as session:
        with pytest.raises(UsageError, match="no such alert"):
            answer_alert(session, 999, "fine", by=1, reason=None, now=NOW)
        with pytest.raises(StoreError, match="the clock says"):
            answer_alert(session, alert, "fine", by=1, reason=None, now=NOW - timedelta(days=300))
    for statement in ("UPDATE feedback SET kind = 'fine'", "DELETE FROM feedback"):
        with pytest.raises(sa.exc.DBAPIError, match="jaga: feedback only grows"), home.store.session() as session:
            session.execute(sa.text(statement))
