"""Logging in: what fits, what does not, what a guesser gets, and what ends a log-in."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyotp
import pytest
import sqlalchemy as sa

from jaga.family.home import House
from jaga.family.home._security import COOKIE, DEVICE, start_session
from jaga.store._tables import AuditLine, Person, Session
from tests.family.home.house import (
    CHEAP,
    PASSPHRASE,
    RECOVERY_CODE,
    Clock,
    a_house,
    client,
    csrf_of,
    person_id,
    post,
)


def deeds(house: House) -> list[str]:
    with house.store.session(read_only=True) as session:
        return list(session.scalars(sa.select(AuditLine.what).order_by(AuditLine.id)))


def test_the_right_passphrase_opens_the_first_page(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    browser = client(house, None)
    assert browser.get("/").headers["location"] == "/login"
    answer = post(browser, "/login", name="siti", passphrase=PASSPHRASE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert browser.get("/").status_code == 200
    assert deeds(house)[-1] == "login"


def test_a_wrong_one_does_not_and_is_written_down_without_what_was_typed(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    browser = client(house, None)
    answer = post(browser, "/login", name="Siti", passphrase="something else")
    assert answer.status_code == 401
    assert COOKIE not in browser.cookies
    with house.store.session(read_only=True) as session:
        line = session.scalars(sa.select(AuditLine).order_by(AuditLine.id.desc())).first()
        assert line is not None
        assert (line.what, line.person) == ("login.failed", person_id(house, "Siti"))
        assert "something" not in str(line.detail)


def test_a_name_that_nobody_has_gets_the_same_answer_as_a_wrong_passphrase(tmp_path: Path) -> None:
    browser = client(a_house(tmp_path), None)
    known = post(browser, "/login", name="Siti", passphrase="something else")
    nobody = post(browser, "/login", name="Sitj", passphrase="something else")
    assert known.status_code == nobody.status_code
    assert known.text.replace("Siti", "") == nobody.text.replace("Sitj", "")


def test_whoever_guesses_waits_longer_and_longer_and_a_restart_does_not_help(tmp_path: Path) -> None:
    clock = Clock()
    house = a_house(tmp_path, clock=clock)
    browser = client(house, None)
    waits = []
    for number in range(1, 13):
        assert post(browser, "/login", name="Siti", passphrase=f"guess number {number}").status_code == 401
        with house.store.session(read_only=True) as session:
            person = session.get_one(Person, person_id(house, "Siti"))
            wait = timedelta(0) if person.locked_until is None else person.locked_until - clock()
        waits.append(wait.total_seconds())
        if wait:
            # While it lasts the right one is not looked at either, and nothing is counted.
            assert post(browser, "/login", name="Siti", passphrase=PASSPHRASE).status_code == 401
            house.close()
            house.open_by(PASSPHRASE)
            assert post(browser, "/login", name="Siti", passphrase=PASSPHRASE).status_code == 401
            clock.go(seconds=wait.total_seconds())
    assert waits == [0, 0, 0, 0, 30, 60, 120, 240, 480, 900, 900, 900]
    assert post(browser, "/login", name="Siti", passphrase=PASSPHRASE).status_code == 303
    # At most a hundred tries an hour on one name (ASVS 2.2.1), from whichever browser that is not its own.
    assert sum(1 for wait in waits if wait < 3600) + 3600 / 900 < 100


def test_a_stranger_locks_neither_the_owners_own_browser_nor_the_other_parent(tmp_path: Path) -> None:
    clock = Clock()
    house = a_house(tmp_path, clock=clock)
    own = client(house, None)
    assert post(own, "/login", name="Siti", passphrase=PASSPHRASE).status_code == 303
    assert DEVICE in own.cookies
    post(own, "/logout", "/people")
    stranger = client(house, None)
    for number in range(8):
        post(stranger, "/login", name="Siti", passphrase=f"guess number {number}")
    assert post(stranger, "/login", name="Siti", passphrase=PASSPHRASE).status_code == 401
    assert post(own, "/login", name="Siti", passphrase=PASSPHRASE).status_code == 303
    other = client(house, None)
    assert post(other, "/login", name="Kamal", passphrase=PASSPHRASE).status_code == 303


def test_a_known_browser_is_told_how_long_to_wait(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    own = client(house, None)
    post(own, "/login", name="Siti", passphrase=PASSPHRASE)
    post(own, "/logout", "/people")
    for number in range(4):
        assert "Wait" not in post(own, "/login", name="Siti", passphrase=f"guess number {number}").text
    assert "Wait 1 minute before the next try." in post(own, "/login", name="Siti", passphrase="and a fifth").text


def test_every_log_in_has_a_token_of_its_own_and_none_planted_beforehand_counts(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    browser = client(house, None)
    browser.cookies.set(COOKIE, "planted")
    post(browser, "/login", name="Siti", passphrase=PASSPHRASE)
    first = browser.cookies.get(COOKIE, domain="127.0.0.1") or browser.cookies.get(COOKIE, domain="127.0.0.1.local")
    tokens = {cookie.value for cookie in browser.cookies.jar if cookie.name == COOKIE and cookie.value} - {"planted"}
    assert len(tokens) == 1, first
    with house.store.session(read_only=True) as session:
        stored = session.scalars(sa.select(Session.token)).all()
    assert tokens.pop().encode() not in stored
    again = client(house, None)
    post(again, "/login", name="Siti", passphrase=PASSPHRASE)
    assert {c.value for c in again.cookies.jar if c.name == COOKIE}.isdisjoint(tokens)


@pytest.mark.parametrize(
    ("passed", "in_use", "status"),
    [
        ({"minutes": 29}, False, 200),
        ({"minutes": 31}, False, 303),
        ({"hours": 11}, True, 200),
        ({"hours": 13}, True, 303),
        ({"minutes": -3}, False, 200),
        ({"days": -1}, False, 303),
    ],
    ids=["idle, short", "idle, long", "in use", "in use, too long", "clock set back a little", "clock set back far"],
)
def test_a_log_in_ends_by_itself(tmp_path: Path, passed: dict[str, float], in_use: bool, status: int) -> None:
    clock = Clock()
    browser = client(a_house(tmp_path, clock=clock))
    until = clock() + timedelta(**passed)
    while in_use and clock() < until:
        clock.go(minutes=20)
        if browser.get("/people").status_code != 200:
            break
    clock.at = until if not in_use else clock.at
    assert browser.get("/people").status_code == status


def test_logging_out_ends_it_in_the_store_and_not_only_in_the_browser(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    browser = client(house)
    token = browser.cookies[COOKIE]
    post(browser, "/logout", "/people")
    copied = client(house, None)
    copied.cookies.set(COOKIE, token)
    assert copied.get("/people").status_code == 303


def test_one_log_in_can_be_ended_from_another_but_not_somebody_elses(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    here, there, kamal = client(house), client(house), client(house, "Kamal")
    with house.store.session(read_only=True) as session:
        ids = list(session.scalars(sa.select(Session.id).order_by(Session.id)))
    assert post(kamal, f"/account/sessions/{ids[1]}/end", "/account").status_code == 404
    assert there.get("/people").status_code == 200
    post(here, f"/account/sessions/{ids[1]}/end", "/account")
    assert (here.get("/people").status_code, there.get("/people").status_code) == (200, 303)
    assert kamal.get("/people").status_code == 200


def test_after_the_passphrase_a_code_is_asked_for_and_taken_once(tmp_path: Path) -> None:
    clock = Clock()
    house = a_house(tmp_path, clock=clock)
    browser = client(house)
    text = browser.get("/account/code").text
    secret = text.split('class="code">')[1].split("<")[0].replace(" ", "")
    assert len(secret) == 32
    picture = browser.get("/account/code.svg")
    assert picture.headers["content-type"].startswith("image/svg+xml")
    wrong = post(browser, "/account/code", code="000000", passphrase=PASSPHRASE)
    assert wrong.status_code == 422
    assert secret in wrong.text.replace(" ", "")
    totp = pyotp.TOTP(secret)
    assert post(browser, "/account/code", code=totp.at(clock()), passphrase=PASSPHRASE).status_code == 303
    fresh = client(house, None)
    answer = post(fresh, "/login", name="Siti", passphrase=PASSPHRASE)
    assert answer.headers["location"] == "/login/code"
    assert fresh.get("/people").status_code == 303
    # The one that set it up was used by that.
    assert post(fresh, "/login/code", code=totp.at(clock())).status_code == 401
    clock.go(seconds=30)
    code = totp.at(clock())
    assert post(fresh, "/login/code", code=code).headers["location"] == "/"
    assert fresh.get("/people").status_code == 200
    replay = client(house, None)
    post(replay, "/login", name="Siti", passphrase=PASSPHRASE)
    assert post(replay, "/login/code", code=code).status_code == 401


def test_codes_are_not_tried_without_end(tmp_path: Path) -> None:
    clock = Clock()
    house = a_house(tmp_path, clock=clock)
    with house.store.session() as session:
        session.get_one(Person, person_id(house, "Siti")).totp_secret = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
    browser = client(house, None)
    for _ in range(3):
        post(browser, "/login", name="Siti", passphrase=PASSPHRASE)
        post(browser, "/login/code", code="000000")
    right = pyotp.TOTP("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP").at(clock())
    assert post(browser, "/login/code", code=right).status_code == 401


def test_after_a_restart_a_parents_passphrase_unlocks_and_logs_in(tmp_path: Path) -> None:
    clock = Clock()
    a_house(tmp_path, clock=clock).close()
    house = House(tmp_path / "jaga", now=clock, cost=CHEAP)
    browser = client(house, None)
    assert browser.get("/friends").headers["location"] == "/unlock"
    assert post(browser, "/unlock", passphrase="something else").status_code == 401
    answer = post(browser, "/unlock", passphrase=PASSPHRASE)
    assert answer.headers["location"] == "/"
    assert browser.get("/people").status_code == 200


def test_unlocking_with_a_code_app_asks_for_the_code_too(tmp_path: Path) -> None:
    clock = Clock()
    house = a_house(tmp_path, clock=clock)
    with house.store.session() as session:
        session.get_one(Person, person_id(house, "Siti")).totp_secret = pyotp.random_base32()
    house.close()
    browser = client(house, None)
    answer = post(browser, "/unlock", passphrase=PASSPHRASE)
    assert answer.headers["location"] == "/login/code"
    assert browser.get("/people").status_code == 303


def test_guesses_at_a_locked_store_wait_too_and_a_restart_does_not_help(tmp_path: Path) -> None:
    clock = Clock()
    a_house(tmp_path, clock=clock).close()
    for number in range(5):
        house = House(tmp_path / "jaga", now=clock, cost=CHEAP)
        assert post(client(house, None), "/unlock", passphrase=f"guess number {number}").status_code == 401
    house = House(tmp_path / "jaga", now=clock, cost=CHEAP)
    assert post(client(house, None), "/unlock", passphrase=PASSPHRASE).status_code == 429
    assert house.state == "locked"
    clock.go(seconds=2)
    assert post(client(house, None), "/unlock", passphrase=PASSPHRASE).status_code == 303


@pytest.mark.parametrize("locked", [True, False])
def test_the_recovery_code_gives_a_parent_a_new_passphrase(tmp_path: Path, locked: bool) -> None:
    clock = Clock()
    house = a_house(tmp_path, clock=clock)
    siti, old = person_id(house, "Siti"), client(house)
    if locked:
        house.close()
    browser = client(house, None)
    typed = RECOVERY_CODE.lower().replace("-", " ")
    if locked:
        answer = post(browser, "/unlock", passphrase=typed)
    else:
        assert post(browser, "/recover", code="0000-0000").status_code == 401
        answer = post(browser, "/recover", code=typed)
    assert answer.headers["location"] == "/recover"
    # The code alone is no log-in, and opens only a parent's.
    assert browser.get("/people").status_code == 303
    new = "seven grey umbrellas singing"
    for wrong in (person_id(house, "Tok"), person_id(house, "Aina"), 999):
        refused = post(browser, "/recover/passphrase", "/recover", person=wrong, passphrase=new, again=new)
        assert refused.status_code == 422
    answer = post(browser, "/recover/passphrase", "/recover", person=siti, passphrase=new, again=new)
    assert answer.headers["location"] == "/"
    assert old.get("/people").status_code == 303
    house.close()
    assert house.open_by(new).startswith("person-")
    assert post(client(house, None), "/login", name="Siti", passphrase=PASSPHRASE).status_code == 401
    # It is good for one change.
    again = client(house, None)
    assert again.get("/recover").text.count("<option") == 0


@pytest.mark.parametrize(
    ("to", "goes"),
    [
        ("/friends?order=name", "/friends?order=name"),
        ("//evil.example/", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("/%0d%0aset-cookie:x", "/"),
        ("javascript:alert(1)", "/"),
        ("/@evil.example", "/"),
        ("", "/"),
    ],
)
def test_after_log_in_it_goes_only_to_pages_of_ours(tmp_path: Path, to: str, goes: str) -> None:
    browser = client(a_house(tmp_path), None)
    answer = post(browser, "/login", name="Siti", passphrase=PASSPHRASE, to=to)
    assert answer.headers["location"] == goes


def test_a_child_comes_to_its_own_page(tmp_path: Path) -> None:
    browser = client(a_house(tmp_path), None)
    assert post(browser, "/login", name="Aina", passphrase=PASSPHRASE, to="/people").headers["location"] == "/me"


def test_changing_the_passphrase_ends_other_log_ins_and_the_old_one_opens_nothing(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    here, there = client(house), client(house)
    new = "seven grey umbrellas singing"
    assert post(here, "/account/passphrase", "/account", passphrase="wrong one", new=new, again=new).status_code == 401
    weak = post(here, "/account/passphrase", "/account", passphrase=PASSPHRASE, new="Siti123456", again="Siti123456")
    assert weak.status_code == 422
    done = post(here, "/account/passphrase", "/account", passphrase=PASSPHRASE, new=new, again=new)
    assert done.status_code == 303
    assert (here.get("/people").status_code, there.get("/people").status_code) == (200, 303)
    slots = set(house.store.keys.slots)
    house.close()
    assert house.open_by(new) in slots
    # Kamal's own passphrase is the same words and still opens; Siti's old slot is gone.
    assert len(slots) == 3


def test_a_slot_left_over_by_a_crash_opens_nothing(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    house.store.keys.lock("person-left-over", house.store.key, "nine small boats sailing home")
    house.close()
    browser = client(house, None)
    assert post(browser, "/unlock", passphrase="nine small boats sailing home").status_code == 401
    assert house.state == "locked"
    house.open_by(PASSPHRASE)
    assert "person-left-over" not in house.store.keys.slots


def test_the_token_of_a_form_is_of_the_log_in_and_no_other(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    siti, kamal = client(house), client(house, "Kamal")
    stolen = csrf_of(kamal, "/account")
    assert siti.post("/account/language", data={"csrf": stolen, "language": "ms"}).status_code == 403
    assert post(siti, "/account/language", "/account", language="ms").status_code == 303
    assert start_session(house, person_id(house, "Siti"), None)
