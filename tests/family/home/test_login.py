"""Logging in: what fits, what does not, and what a guesser gets."""

from __future__ import annotations

from pathlib import Path

from jaga.family.home import House
from jaga.family.home._security import COOKIE
from tests.family.home.house import CHEAP, PASSPHRASE, RECOVERY_CODE, Clock, a_house, client, post


def test_the_right_passphrase_opens_the_first_page(tmp_path: Path) -> None:
    browser = client(a_house(tmp_path), None)
    assert browser.get("/").headers["location"] == "/login"
    answer = post(browser, "/login", name="siti", passphrase=PASSPHRASE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert browser.get("/").status_code == 200


def test_a_wrong_one_does_not(tmp_path: Path) -> None:
    browser = client(a_house(tmp_path), None)
    answer = post(browser, "/login", name="Siti", passphrase="something else")
    assert answer.status_code == 401
    assert COOKIE not in browser.cookies


def test_a_new_house_is_set_up_in_the_browser(tmp_path: Path) -> None:
    house = House(tmp_path / "jaga", now=Clock(), cost=CHEAP)
    browser = client(house, None)
    assert browser.get("/").headers["location"] == "/setup"
    answer = post(
        browser, "/setup/household",
        family="Rahman", country="my", zone="Asia/Kuala_Lumpur", name="Siti", passphrase=PASSPHRASE, again=PASSPHRASE,
    )  # fmt: skip
    assert answer.headers["location"] == "/setup/recovery"
    text = browser.get("/setup/recovery").text
    code = "-".join(part.split("</span>")[0] for part in text.split("<span>")[1:9])
    number = int(text.split("group number ")[1].split(" ")[0])
    assert browser.get("/setup/recovery").text == text
    wrong = post(browser, "/setup/recovery", group="0000" if code[:4] != "0000" else "1111", kept="yes")
    assert wrong.status_code == 422
    done = post(browser, "/setup/recovery", group=code.split("-")[number - 1].lower(), kept="yes")
    assert done.headers["location"] == "/setup/children"
    # Shown once.
    assert browser.get("/setup/recovery").status_code == 303
    house.close()
    house.open_by(code)


def test_after_a_restart_a_parents_passphrase_unlocks_and_logs_in(tmp_path: Path) -> None:
    clock = Clock()
    a_house(tmp_path, clock=clock).close()
    house = House(tmp_path / "jaga", now=clock, cost=CHEAP)
    browser = client(house, None)
    assert browser.get("/friends").headers["location"] == "/unlock"
    assert post(browser, "/unlock", passphrase="something else").status_code == 401
    answer = post(browser, "/unlock", passphrase=PASSPHRASE)
    assert answer.headers["location"] == "/"
    assert browser.get("/").status_code == 200


def test_the_recovery_code_gives_a_parent_a_new_passphrase(tmp_path: Path) -> None:
    clock = Clock()
    a_house(tmp_path, clock=clock).close()
    house = House(tmp_path / "jaga", now=clock, cost=CHEAP)
    browser = client(house, None)
    answer = post(browser, "/unlock", passphrase=RECOVERY_CODE.lower().replace("-", " "))
    assert answer.headers["location"] == "/recover"
    text = browser.get("/recover").text
    number = text.split('<option value="')[1].split('"')[0]
    new = "seven grey umbrellas singing"
    answer = post(browser, "/recover/passphrase", "/recover", person=number, passphrase=new, again=new)
    assert answer.headers["location"] == "/"
    house.close()
    assert house.open_by(new).startswith("person-")
