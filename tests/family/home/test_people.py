"""Several grown-ups: inviting, coming in, letting go; and the children: telling, erasing, their own log-in."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from jaga.errors import UsageError, WrongPassphrase
from jaga.family.home import House
from jaga.store import add_child, import_paths
from jaga.store._people import RECOVERY, check_passphrase, remove_person
from jaga.store._tables import AuditLine, Channel, Child, ChildAccount, Invitation, Person, Session, Trusted
from tests.family.home.house import (
    NOW,
    PASSPHRASE,
    RECOVERY_CODE,
    Clock,
    a_house,
    client,
    person_id,
    post,
)

NEW = "seven grey umbrellas singing"


def invited(house: House, role: str = "parent", name: str = "Mei") -> str:
    answer = post(client(house), "/people/invite", name=name, role=role, passphrase=PASSPHRASE)
    assert answer.status_code == 200
    return str(answer.text.split('class="kit code">')[1].split("<")[0])


def test_an_invited_parent_comes_in_with_a_passphrase_of_their_own_and_opens_the_store(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    code = invited(house)
    browser = client(house, None)
    first = post(browser, "/join", code=code.lower().replace("-", " "))
    assert "Welcome, Mei" in first.text
    done = browser.post("/join", data={"csrf": first.text.split('name="csrf" value="')[1].split('"')[0], "code": code, "passphrase": NEW, "again": NEW})  # fmt: skip
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert "Mei" in browser.get("/people").text
    house.close()
    house.open_by(NEW)
    # Once only.
    assert post(client(house, None), "/join", code=code).status_code == 401


def test_a_guardians_passphrase_does_not_open_the_store(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    code = invited(house, role="guardian")
    post(client(house, None), "/join", code=code, passphrase=NEW, again=NEW)
    assert post(client(house, None), "/login", name="Mei", passphrase=NEW).status_code == 303
    house.close()
    with pytest.raises(WrongPassphrase):
        house.open_by(NEW)


def test_an_invitation_ends_by_itself_by_its_withdrawal_and_with_whoever_made_it(tmp_path: Path) -> None:
    clock = Clock()
    house = a_house(tmp_path, clock=clock)
    late, withdrawn, orphaned = (invited(house, name=name) for name in ("Mei", "Ravi", "Lim"))
    with house.store.session(read_only=True) as session:
        number = session.scalar(sa.select(Invitation.id).where(Invitation.name == "Ravi"))
    assert post(client(house), f"/people/invitations/{number}/withdraw", "/people").status_code == 303
    assert post(client(house, None), "/join", code=withdrawn).status_code == 401
    with house.store.session() as session:
        remove_person(session, session.get_one(Person, person_id(house, "Siti")), by=person_id(house, "Kamal"), now=NOW)
    assert post(client(house, None), "/join", code=orphaned).status_code == 401
    clock.go(hours=49)
    assert post(client(house, None), "/join", code=late).status_code == 401


def test_codes_of_invitations_are_not_guessed_without_end(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    browser = client(house, None)
    answers = [post(browser, "/join", code=f"0000-0000-000{number}").status_code for number in range(7)]
    assert answers == [401] * 5 + [429] * 2


def test_inviting_takes_the_passphrase(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    assert post(client(house), "/people/invite", name="Mei", role="parent", passphrase="wrong").status_code == 401
    with house.store.session(read_only=True) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Invitation)) == 0


def test_a_removed_parent_is_out_at_once_is_told_plainly_and_opens_nothing(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    kamal = person_id(house, "Kamal")
    with house.store.session() as session:
        # Of Kamal alone from here on.
        from jaga.store._people import set_passphrase, tidy_slots

        set_passphrase(house.store, session, session.get_one(Person, kamal), NEW, by=kamal, now=NOW)
        session.add(
            Channel(
                person=kamal,
                name="x",
                url="ntfys://x",
                says="free",
                least="watch",
                enabled=True,
                created_at=NOW,
                problem=None,
            )
        )
    tidy_slots(house.store)
    old_key, his = house.store.key, client(house, "Kamal")
    assert his.get("/people").status_code == 200
    siti = client(house)
    assert post(siti, f"/people/{kamal}/remove", passphrase=PASSPHRASE).status_code == 422
    assert post(siti, f"/people/{kamal}/remove", passphrase="wrong", sure="yes").status_code == 422
    done = post(siti, f"/people/{kamal}/remove", passphrase=PASSPHRASE, sure="yes")
    assert done.headers["location"] == "/settings/recovery"
    assert his.get("/people").status_code == 303
    said = post(client(house, None), "/login", name="Kamal", passphrase=NEW)
    assert said.status_code == 403
    assert "You were removed on November 25, 2026" in said.text
    assert post(client(house, None), "/login", name="Kamal", passphrase="something else").status_code == 401
    with house.store.session(read_only=True) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Channel)) == 0
        assert not session.scalars(sa.select(Session).where(Session.person == kamal, Session.ended_at.is_(None))).all()
        deeds = list(session.scalars(sa.select(AuditLine.what)))
    assert {"person.removed", "key.changed", "login.removed"} <= set(deeds)
    # A new key, a new recovery code; the others' passphrases go on.
    assert house.store.key != old_key
    text = siti.get("/settings/recovery").text
    code = "-".join(part.split("</span>")[0] for part in text.split("<span>")[1:9])
    house.close()
    for closed in (NEW, RECOVERY_CODE):
        with pytest.raises(WrongPassphrase):
            house.open_by(closed)
    house.open_by(PASSPHRASE)
    house.close()
    assert house.open_by(code) == RECOVERY


def test_the_key_is_changed_later_where_it_cannot_be_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = a_house(tmp_path)
    before = house.store.key

    def held(*_: object, **__: object) -> None:
        raise UsageError("uploads wait to be read", remedy="let them be read first")

    monkeypatch.setattr("jaga.family.home._house.change_key", held)
    post(client(house), f"/people/{person_id(house, 'Kamal')}/remove", passphrase=PASSPHRASE, sure="yes")
    assert house.store.key == before
    assert "still to be encrypted anew" in client(house).get("/people").text
    monkeypatch.undo()
    house.rekey_if_due(by=None, longest_s=10)
    assert house.store.key != before
    assert "still to be encrypted anew" not in client(house).get("/people").text


def test_nobody_removes_the_last_parent_but_anybody_may_leave(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    siti, kamal, tok = (person_id(house, name) for name in ("Siti", "Kamal", "Tok"))
    browser = client(house)
    assert post(client(house, "Tok"), f"/people/{tok}/remove", passphrase=PASSPHRASE, sure="yes").status_code == 403
    assert client(house, "Kamal").get(f"/people/{tok}/remove").status_code == 404
    left = post(client(house, "Kamal"), f"/people/{kamal}/remove", passphrase=PASSPHRASE, sure="yes")
    assert "You are no longer part" in left.text
    refused = post(browser, f"/people/{siti}/remove", passphrase=PASSPHRASE, sure="yes")
    assert refused.status_code == 422
    assert browser.get("/people").status_code == 200


def test_the_page_of_a_removal_names_its_risks_and_who_helps(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    text = client(house).get(f"/people/{person_id(house, 'Kamal')}/remove").text
    assert "If you fear how Kamal will take it" in text
    assert "Talian Kasih" in text
    assert "Backups made before still open with the old passphrase" in text


def test_nothing_is_read_of_a_child_who_was_not_told(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    browser = client(house)
    made = post(browser, "/people/children", "/people/children/new", name="Danish", band="10-12", accounts="Danish\n danish07 \n")  # fmt: skip
    child = int(made.headers["location"].split("/")[-1].split("#")[0])
    with house.store.session(read_only=True) as session:
        names = set(session.scalars(sa.select(ChildAccount.author).where(ChildAccount.child == child)))
    assert names == {"Danish", "danish07"}
    samples = Path(__file__).parents[3] / "samples" / "whatsapp"
    with pytest.raises(UsageError, match="was not told"):
        import_paths(house.store, child, [samples], now=NOW, by=None)
    page = f"/people/children/{child}"
    assert post(browser, f"{page}/told", page, how="together").status_code == 422
    assert post(browser, f"{page}/told", page, how="not", sure="yes").status_code == 303
    with house.store.session(read_only=True) as session:
        assert session.get_one(Child, child).told_at is None
    assert post(browser, f"{page}/told", page, how="spoken", sure="yes").status_code == 303
    with house.store.session(read_only=True) as session:
        found = session.get_one(Child, child)
        assert (found.told_at, found.told_by, found.settings["told_how"]) == (NOW, person_id(house, "Siti"), "spoken")
    import_paths(house.store, child, [samples], now=NOW, by=None, names=["Aina"])


def test_a_grown_up_cannot_be_added_and_one_who_has_grown_up_is_not_read(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    browser = client(house)
    for values in ({"year": "2008", "month": "11"}, {"year": "1985", "month": "01"}, {"year": "2013"}, {}):
        answer = post(browser, "/people/children", "/people/children/new", name="Zul", **values)
        assert answer.status_code == 422, values
    assert post(browser, "/people/children", "/people/children/new", name="Zul", year="2008", month="12").status_code == 303  # fmt: skip
    with house.store.session() as session:
        child = add_child(session, 1, "Old", birth="2008-11", by=None, now=NOW)
        child.told_at = NOW
    with pytest.raises(UsageError, match="is grown up"):
        import_paths(house.store, child.id, [Path("x")], now=NOW, by=None)


def test_a_childs_passphrase_set_by_a_parent_is_seen_by_the_child(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    browser, page = client(house), "/people/children/1"
    child = client(house, "Aina")
    assert "was set anew" not in child.get("/me").text
    assert post(browser, f"{page}/login", page, passphrase="short", again="short").status_code == 422
    done = post(browser, f"{page}/login", page, passphrase="jungle bananas", again="jungle bananas")
    assert done.status_code == 303
    assert child.get("/me").status_code == 303
    text = client(house, "Aina").get("/me").text
    assert "Your passphrase was set anew by Siti" in text
    assert post(client(house, None), "/login", name="Aina", passphrase="jungle bananas").headers["location"] == "/me"


def test_people_who_are_trusted_are_listed_and_those_who_are_protected_are_named_to_the_child(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    browser, page = client(house), "/people/children/1"
    post(browser, f"{page}/trusted", page, contact="Mak Su", kind="known")
    post(browser, f"{page}/trusted", page, contact="Cikgu Lina", kind="protected")
    assert "Cikgu Lina" in client(house, "Aina").get("/me").text
    with house.store.session(read_only=True) as session:
        kinds = {one.contact: one.kind for one in session.scalars(sa.select(Trusted))}
        number = session.scalar(sa.select(Trusted.id).where(Trusted.contact == "Mak Su"))
    assert kinds == {"Mak Su": "known", "Cikgu Lina": "protected"}
    assert post(browser, f"{page}/trusted/{number}/remove", page).status_code == 303
    assert "Mak Su" not in browser.get(page).text


def test_erasing_a_child_takes_the_passphrase_and_takes_everything(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    browser, page = client(house), "/people/children/1/erase"
    assert post(browser, page, passphrase="wrong", sure="yes").status_code == 422
    assert post(browser, page, passphrase=PASSPHRASE).status_code == 422
    done = post(browser, page, passphrase=PASSPHRASE, sure="yes")
    assert "Everything about Aina is gone" in done.text
    with house.store.session(read_only=True) as session:
        assert session.scalars(sa.select(Child)).all() == []
        assert session.scalars(sa.select(Person).where(Person.role == "child")).all() == []


def test_another_familys_people_are_not_there(tmp_path: Path) -> None:
    from jaga.store import add_family
    from jaga.store._people import add_person

    house = a_house(tmp_path)
    with house.store.session() as session:
        other = add_family(session, "Lee", zone="Asia/Kuala_Lumpur", country="my", now=NOW)
        stranger = add_person(
            house.store, session, other.id, "Wei", "parent", passphrase=NEW, language="en", by=None, now=NOW
        )
        child = add_child(session, other.id, "Jun", band="10-12", by=stranger.id, now=NOW)
        person, number = stranger.id, child.id
    browser = client(house)
    for path in (f"/people/children/{number}", f"/people/children/{number}/erase", f"/people/{person}/remove"):
        assert browser.get(path).status_code == 404
    for path in ("told", "trusted", "erase", "login"):
        sent = post(browser, f"/people/children/{number}/{path}", "/account", how="together", sure="yes", contact="x", kind="known", passphrase=NEW, again=NEW, name="X")  # fmt: skip
        assert sent.status_code == 404, path
    text = browser.get("/people").text + browser.get("/audit?kind=all").text
    assert "Wei" not in text
    assert "Jun" not in text


@pytest.mark.parametrize(
    "passphrase", ["short", "password123", "Siti12345678", "qwertyuiop", "ainaaina1234", "x" * 300]
)
def test_an_easy_passphrase_is_refused(passphrase: str) -> None:
    with pytest.raises(UsageError):
        check_passphrase(passphrase, ["Siti", "Aina"])


@pytest.mark.parametrize(
    "passphrase", [PASSPHRASE, "kucing biru makan awan pagi", "四只小猫在睡觉吃西瓜", "நான்கு பூனைகள் தூங்கின"]
)
def test_a_good_one_in_any_language_is_taken(passphrase: str) -> None:
    check_passphrase(passphrase, ["Siti", "Aina"])
