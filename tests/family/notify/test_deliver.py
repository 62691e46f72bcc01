"""What goes out, when, how often, and what it says: with a service that only writes down."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest
import sqlalchemy as sa

from jaga.family.notify import Delivered, Message, deliver, plan, send_trial
from jaga.store import broken_lines
from jaga.store._deliveries import GIVE_UP_AFTER, next_try
from jaga.store._tables import AuditLine, Channel, Delivery, Import
from jaga.words import LANGUAGES
from tests.family.notify.household import NAMES, Clock, Household

HOME = "http://127.0.0.1:8787/"
URL = "ntfy://siti:rahsia-kuat-42@127.0.0.1:1/keluarga"


class Service:
    """Takes messages, or says what is wrong."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        self.problem: str | None = None

    def __call__(self, message: Message) -> str | None:
        if self.problem is None:
            self.taken.append(message)
        return self.problem

    @property
    def titles(self) -> list[str]:
        return [one.title for one in self.taken]


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def rounds(home: Household, clock: Clock, service: Service) -> Callable[..., Delivered]:
    def go(**by: float) -> Delivered:
        clock.on(**by)
        return deliver(home.store, clock, home=HOME, post=service, jitter=lambda: 0.5)

    return go


def column(home: Household, *columns: sa.orm.InstrumentedAttribute[object]) -> list[tuple[object, ...]]:
    with home.store.session(read_only=True) as session:
        return [tuple(row) for row in session.execute(sa.select(*columns).order_by(columns[0].class_.id))]


def audited(home: Household, what: str) -> list[dict[str, object]]:
    with home.store.session() as session:
        assert list(broken_lines(session)) == []
        return list(session.scalars(sa.select(AuditLine.detail).where(AuditLine.what == what)))


def test_nothing_is_sent_unless_somebody_set_a_channel(
    home: Household, rounds: Callable[..., Delivered], service: Service
) -> None:
    home.alert("urgent")
    assert rounds(minutes=2) == Delivered(sent=0, failed=0, given_up=0)
    assert service.taken == []
    assert column(home, Delivery.id) == []


def test_an_alert_is_told_once_and_says_nothing_of_it(
    home: Household, rounds: Callable[..., Delivered], service: Service
) -> None:
    home.channel(URL)
    home.alert()
    for _ in range(5):
        rounds(minutes=30)
    (message,) = service.taken
    assert message == Message(url=URL, title="Jaga has something that needs you", body=f"Open it at home: {HOME}")
    (line,) = audited(home, "delivery.sent")
    assert line == {"kind": "alert", "things": 1}


def test_alerts_that_come_together_are_one_message(
    home: Household, rounds: Callable[..., Delivered], service: Service
) -> None:
    home.channel(URL)
    with home.store.session() as session:
        session.add(Import(child=home.child, path="/x", name="x", uploaded=False, state="reading", asked_at=home.clock(),
                              inputs=[], people=[], found={}))  # fmt: skip
    for _ in range(3):
        home.alert()
        rounds(seconds=10)
    assert service.taken == []
    with home.store.session() as session:
        session.execute(sa.update(Import).values(state="done"))
    rounds()
    assert service.titles == ["Jaga has 3 things that need you"]
    # The next one has to keep its distance, the urgent one has not.
    home.alert()
    rounds(minutes=4)
    assert len(service.taken) == 1
    home.alert("urgent")
    rounds(seconds=1)
    assert service.titles[1:] == ["Jaga has 2 things that need you"]


def test_an_import_that_takes_long_does_not_keep_alerts_back_for_long(
    home: Household, rounds: Callable[..., Delivered], service: Service
) -> None:
    home.channel(URL)
    with home.store.session() as session:
        session.add(Import(child=home.child, path="/x", name="x", uploaded=False, state="reading", asked_at=home.clock(),
                           inputs=[], people=[], found={}))  # fmt: skip
    home.alert()
    rounds()
    rounds(minutes=9)
    assert service.taken == []
    rounds(minutes=1)
    assert len(service.taken) == 1


@pytest.mark.parametrize(
    ("least", "told"),
    [("watch", ["watch", "concern", "urgent"]), ("concern", ["concern", "urgent"]), ("urgent", ["urgent"])],
)
def test_a_channel_is_told_from_its_level_on(home: Household, least: str, told: list[str]) -> None:
    home.channel(URL, least=least)
    alerts = {home.alert(level): level for level in ("watch", "concern", "urgent")}
    plan(home.store, home.clock())
    assert [alerts[alert] for (alert,) in column(home, Delivery.alert)] == told  # type: ignore[index]


def test_the_night_is_quiet_but_for_what_is_urgent(
    home: Household, clock: Clock, rounds: Callable[..., Delivered], service: Service
) -> None:
    home.channel(URL, says="level")
    clock.at = datetime(2026, 3, 4, 15, 0, tzinfo=timezone.utc)  # 23:00 in Kuala Lumpur
    home.alert()
    rounds(minutes=2)
    assert service.taken == []
    rounds(hours=7, minutes=57)  # 06:59
    assert service.taken == []
    rounds(minutes=1)
    assert [one.body for one in service.taken] == [f"It is not urgent. Open it at home: {HOME}"]
    clock.at = datetime(2026, 3, 5, 18, 0, tzinfo=timezone.utc)  # 02:00
    home.alert("urgent")
    rounds()
    assert service.taken[-1].body == f"It is urgent. Open it at home: {HOME}"


def test_a_family_may_have_other_hours_and_an_address_of_its_own(
    home: Household, clock: Clock, rounds: Callable[..., Delivered], service: Service
) -> None:
    home.settings(quiet_from="11:00", quiet_to="13:00", address="https://jaga.rumah:8787/")
    home.channel(URL)
    home.alert()
    rounds(minutes=2)  # 12:02
    assert service.taken == []
    rounds(hours=1)
    assert "https://jaga.rumah:8787/" in service.taken[0].body


def test_damaged_settings_do_not_keep_an_alert_back(
    home: Household, rounds: Callable[..., Delivered], service: Service
) -> None:
    home.settings(quiet_from="25:99", digest_weekday="never")
    home.channel(URL)
    home.alert()
    rounds()
    rounds(minutes=2)
    assert len(service.taken) == 1


def test_what_was_answered_meanwhile_is_not_sent_any_more(
    home: Household, rounds: Callable[..., Delivered], service: Service
) -> None:
    home.channel(URL)
    rounds()
    alert = home.alert()
    service.problem = "the service cannot be reached"
    rounds()
    service.problem = None
    home.answer(alert, "talked", by=home.siti)
    rounds(minutes=5)
    assert service.taken == []


def test_seen_by_one_guardian_the_other_is_still_told(
    home: Household, rounds: Callable[..., Delivered], service: Service
) -> None:
    home.channel(URL + "1", person=home.siti)
    home.channel(URL + "2", person=home.osman)
    alert = home.alert()
    service.problem = "the service cannot be reached"
    rounds()
    service.problem = None
    home.answer(alert, "seen", by=home.siti)
    rounds(minutes=5)
    assert [one.url for one in service.taken] == [URL + "2"]


def test_what_others_saw_before_a_channel_was_there_is_old_news(
    home: Household, rounds: Callable[..., Delivered], service: Service, clock: Clock
) -> None:
    seen, unseen = home.alert(), home.alert()
    home.answer(seen, "seen", by=home.siti)
    clock.on(days=30)
    home.channel(URL)
    rounds(minutes=1)
    rounds(minutes=2)
    assert column(home, Delivery.alert) == [(unseen,)]


def test_a_channel_that_is_off_or_of_somebody_who_left_is_not_used(
    home: Household, rounds: Callable[..., Delivered], service: Service, clock: Clock
) -> None:
    channel = home.channel(URL)
    home.alert("urgent")
    service.problem = "the service cannot be reached"
    rounds()
    with home.store.session() as session:
        session.execute(sa.update(Channel).where(Channel.id == channel).values(enabled=False))
    service.problem = None
    rounds(hours=1)
    home.alert("urgent")
    rounds(hours=1)
    assert service.taken == []


def test_failures_are_tried_again_ever_more_rarely_and_the_page_says_so(
    home: Household, rounds: Callable[..., Delivered], service: Service, clock: Clock
) -> None:
    home.channel(URL)
    home.alert("urgent")
    service.problem = "the service cannot be reached"
    tries: list[datetime] = []
    for _ in range(60 * 24):
        if rounds(minutes=1).failed:
            tries.append(clock.at)
    gaps = [(later - earlier) / timedelta(minutes=1) for earlier, later in pairwise(tries)]
    assert gaps == [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]
    assert column(home, Channel.problem) == [("the service cannot be reached",)]
    service.problem = None
    rounds(hours=6)
    assert len(service.taken) == 1
    assert column(home, Channel.problem) == [(None,)]
    assert column(home, Delivery.problem) == [(None,)]


def test_after_days_it_is_given_up_with_a_line_in_the_audit_and_the_next_alert_is_tried_anew(
    home: Household, rounds: Callable[..., Delivered], service: Service
) -> None:
    home.channel(URL)
    home.settings(digest_weekday=None)
    home.alert("urgent")
    service.problem = "the service cannot be reached"
    total = sum((rounds(hours=1).given_up for _ in range(24 * 5)), 0)
    assert total == 1
    ((tries, given_up_at),) = column(home, Delivery.tries, Delivery.given_up_at)
    assert given_up_at is not None
    assert isinstance(tries, int)
    assert tries >= 12
    assert audited(home, "delivery.given_up") == [{"problem": "the service cannot be reached"}]
    assert column(home, Channel.problem) == [("the service cannot be reached",)]
    service.problem = None
    home.alert("urgent")
    rounds()
    assert service.titles == ["Jaga has something that needs you"]


def test_a_clock_that_jumps_ahead_gives_nothing_up_and_one_set_back_loses_nothing(
    home: Household, rounds: Callable[..., Delivered], service: Service, clock: Clock
) -> None:
    home.channel(URL)
    home.alert("urgent")
    service.problem = "the service cannot be reached"
    rounds()
    assert rounds(days=3000).given_up == 0
    clock.on(days=-3000)
    service.problem = None
    rounds(minutes=1)
    assert len(service.taken) == 1


def test_a_message_whose_fate_is_unknown_is_sent_again(home: Household, clock: Clock, service: Service) -> None:
    """As after a kill: claimed, perhaps sent, never written down."""
    home.channel(URL)
    home.alert("urgent")

    class Killed(BaseException):
        pass

    def dies(message: Message) -> str | None:
        raise Killed

    with pytest.raises(Killed):
        deliver(home.store, clock, home=HOME, post=dies, jitter=lambda: 0.5)
    assert deliver(home.store, clock, home=HOME, post=service, jitter=lambda: 0.5).sent == 0
    clock.on(minutes=1)
    assert deliver(home.store, clock, home=HOME, post=service, jitter=lambda: 0.5).sent == 1


def test_one_channel_that_fails_does_not_keep_the_others_back(home: Household, clock: Clock, service: Service) -> None:
    home.channel("ntfy://bad")
    home.channel(URL, person=home.siti)
    home.alert("urgent")

    def post(message: Message) -> str | None:
        return "the service cannot be reached" if message.url == "ntfy://bad" else service(message)

    assert deliver(home.store, clock, home=HOME, post=post) == Delivered(sent=1, failed=1, given_up=0)


def test_the_week_has_one_digest_for_each_channel(
    home: Household, clock: Clock, rounds: Callable[..., Delivered], service: Service
) -> None:
    home.channel(URL, says="level")
    clock.at = datetime(2026, 3, 8, 9, 59, tzinfo=timezone.utc)  # Sunday, 17:59 in Kuala Lumpur
    home.alert()
    rounds()
    assert service.titles == ["Jaga has something that needs you"]
    service.taken.clear()
    rounds(minutes=1)
    assert service.titles == ["Your week with Jaga"]
    assert service.taken[0].body == (
        "The summary of the week is ready. 1 thing still needs you. "
        f"Nothing new was brought in this week; Jaga sees only what it is given. Open it at home: {HOME}"
    )
    service.taken.clear()
    for _ in range(27):
        rounds(hours=6)
    assert service.taken == []
    rounds(hours=6)
    assert service.titles == ["Your week with Jaga"]


def test_the_digest_comes_late_after_a_day_off_but_not_days_later_and_can_be_turned_off(
    home: Household, clock: Clock, rounds: Callable[..., Delivered], service: Service
) -> None:
    home.channel(URL)
    clock.at = datetime(2026, 3, 9, 9, 0, tzinfo=timezone.utc)  # Monday
    rounds()
    assert len(service.taken) == 1
    clock.at = datetime(2026, 3, 18, 9, 0, tzinfo=timezone.utc)  # Wednesday of the week after
    rounds()
    assert len(service.taken) == 1
    home.settings(digest_weekday=None)
    clock.at = datetime(2026, 3, 22, 12, 0, tzinfo=timezone.utc)
    rounds()
    assert len(service.taken) == 1


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("says", ["free", "level"])
def test_no_name_and_no_word_of_a_chat_leaves_the_house(
    home: Household, clock: Clock, rounds: Callable[..., Delivered], service: Service, language: str, says: str
) -> None:
    channel = home.channel(URL, says=says, person=home.siti)
    with home.store.session() as session:
        session.execute(sa.text("UPDATE people SET language = :language"), {"language": language})
    clock.at = datetime(2026, 3, 8, 4, 0, tzinfo=timezone.utc)
    for level in ("concern", "urgent"):
        home.alert(level)
    rounds()
    rounds(hours=7)
    send_trial(home.store, channel, now=clock(), home=HOME, post=service)
    assert len(service.taken) == 3
    for message in service.taken:
        for name in (*NAMES, "whatsapp", "WhatsApp"):
            assert name not in message.title + message.body
        assert message.body.endswith(HOME)


def test_a_trial_says_what_is_wrong_and_notes_it(home: Household, clock: Clock, service: Service) -> None:
    channel = home.channel(URL)
    service.problem = "the service cannot be reached"
    assert send_trial(home.store, channel, now=clock(), home=HOME, post=service) == service.problem
    assert column(home, Channel.problem) == [(service.problem,)]
    service.problem = None
    assert send_trial(home.store, channel, now=clock(), home=HOME, post=service) is None
    assert column(home, Channel.problem) == [(None,)]
    assert [line["problem"] for line in audited(home, "channel.tried")] == ["the service cannot be reached", None]


def test_waits_are_between_four_fifths_and_six_fifths() -> None:
    assert next_try(1, 0) == timedelta(seconds=48)
    assert next_try(1, 1) == timedelta(seconds=72)
    assert next_try(500, 0.5) == timedelta(hours=6)
    assert sum((next_try(tries, 0) for tries in range(1, 13)), timedelta()) < GIVE_UP_AFTER
