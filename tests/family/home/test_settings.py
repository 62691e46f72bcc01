"""What a family sets; ways to be told; the recovery kit; deleting everything; the agreement; the pages' record of who looked; the child's own page."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from jaga.errors import UsageError, WrongPassphrase
from jaga.family.home import House
from jaga.family.home._deeds import DEEDS
from jaga.family.home.pages.agreement import chosen_rules
from jaga.family.home.pages.settings import ChannelForm
from jaga.store import Store, audit, settings_of
from jaga.store._people import RECOVERY
from jaga.store._tables import AuditLine, Channel, Child, Family
from tests.family.home.house import NOW, PASSPHRASE, Clock, a_house, client, post

SOURCE = Path(__file__).parents[3] / "src" / "jaga"


def kept(house: House) -> Family:
    with house.store.session(read_only=True) as session:
        return session.get_one(Family, 1)


def test_what_is_set_is_kept_and_written_down(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    browser = client(house)
    sent = post(
        browser, "/settings/telling", "/settings",
        tell_from="urgent", sensitivity="more", quiet_from="21:30", quiet_to="06:15", digest_weekday="", digest_at="19:00",
    )  # fmt: skip
    assert sent.status_code == 303
    post(browser, "/settings/keeping", "/settings", retention_days=90)
    post(browser, "/settings/showing", "/settings", **{"band-13-15": "summary", "band-16-17": "lines"})
    post(
        browser, "/settings/household", "/settings",
        name="Rahman & co", country="international", zone="Asia/Singapore", address="https://jaga.example.org",
    )  # fmt: skip
    family = kept(house)
    found = settings_of(family)
    assert (found.tell_from, found.sensitivity, found.quiet_from, found.quiet_to) == ("urgent", 1.0, "21:30", "06:15")
    assert (found.digest_weekday, found.digest_at, found.retention_days) == (None, "19:00", 90)
    assert found.disclosure == {"13-15": "summary", "16-17": "lines"}
    assert found.address == "https://jaga.example.org/"
    assert (family.name, family.country, family.zone) == ("Rahman & co", "international", "Asia/Singapore")
    text = browser.get("/settings").text
    assert 'value="Rahman &amp; co"' in text
    assert 'value="21:30"' in text
    with house.store.session(read_only=True) as session:
        assert session.scalars(sa.select(AuditLine.what)).all().count("settings.changed") == 4


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("telling", {"tell_from": "never"}),
        ("telling", {"quiet_from": "25:00"}),
        ("telling", {"digest_weekday": "9"}),
        ("keeping", {"retention_days": 0}),
        ("showing", {"band-13-15": "everything"}),
        ("household", {"name": "", "country": "my", "zone": "Asia/Singapore"}),
        ("household", {"name": "R", "country": "my", "zone": "Moon/Base"}),
        ("household", {"name": "R", "country": "my", "zone": "Asia/Singapore", "address": "javascript:alert(1)"}),
    ],
)
def test_a_value_that_does_not_fit_changes_nothing(tmp_path: Path, path: str, values: dict[str, object]) -> None:
    house = a_house(tmp_path)
    before = kept(house)
    answer = post(client(house), f"/settings/{path}", "/settings", **values)
    assert answer.status_code == 422
    after = kept(house)
    assert (after.settings, after.name, after.zone) == (before.settings, before.name, before.zone)


def test_a_way_to_be_told_is_ones_own_and_its_address_is_never_shown(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    browser = client(house)
    secret = "123456:secret-token-of-the-bot"
    made = post(browser, "/settings/channels", kind="telegram", token=secret, chat="4711", name="My phone")
    assert made.status_code == 303
    text = browser.get("/settings").text
    assert "My phone" in text
    assert "secret-token" not in text
    with house.store.session(read_only=True) as session:
        row = session.scalars(sa.select(Channel)).one()
        assert (row.url, row.says, row.least) == (f"tgram://{secret}/4711/", "free", "concern")
    other = client(house, "Kamal")
    assert "My phone" not in other.get("/settings").text
    for path in ("", "/remove", "/trial"):
        assert post(other, f"/settings/channels/{row.id}{path}", "/account").status_code == 404
    post(browser, f"/settings/channels/{row.id}", "/settings", least="urgent", says="level")
    with house.store.session(read_only=True) as session:
        row = session.scalars(sa.select(Channel)).one()
        assert (row.least, row.says, row.enabled) == ("urgent", "level", False)
    post(browser, f"/settings/channels/{row.id}/remove", "/settings")
    with house.store.session(read_only=True) as session:
        assert session.scalars(sa.select(Channel)).all() == []


def test_a_guardian_has_ways_to_be_told_too(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    browser = client(house, "Tok")
    assert post(browser, "/settings/channels", kind="ntfy", topic="jaga-4f1c").status_code == 303
    assert "From when on?" in browser.get("/settings").text


@pytest.mark.parametrize(
    ("kind", "values", "url"),
    [
        ("ntfy", {"topic": "jaga-12"}, "ntfys://jaga-12"),
        ("ntfy", {"topic": "a/b"}, None),
        ("telegram", {"token": "1:a/b", "chat": "5"}, "tgram://1:a%2Fb/5/"),
        ("telegram", {"token": "1a", "chat": "5"}, None),
        (
            "email",
            {"email": "siti+x@example.org", "password": "p@:/s", "server": ""},
            "mailtos://siti%2Bx:p%40%3A%2Fs@example.org?to=siti%2Bx@example.org",
        ),
        ("email", {"email": "siti", "password": "x"}, None),
        ("other", {"url": " json://localhost/ "}, "json://localhost/"),
    ],
)
def test_plain_questions_become_an_address(kind: str, values: dict[str, str], url: str | None) -> None:
    form = ChannelForm(kind, values)  # type: ignore[arg-type]
    if url is None:
        with pytest.raises(UsageError):
            form.url()
    else:
        assert form.url() == url


def test_a_new_recovery_code_takes_the_passphrase_and_ends_the_old_one(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    browser = client(house)
    assert post(browser, "/settings/recovery/new", "/settings/recovery", passphrase="wrong").status_code == 401
    assert not house.kits
    shown = post(browser, "/settings/recovery/new", "/settings/recovery", passphrase=PASSPHRASE).text
    groups = [part.split("</span>")[0] for part in shown.split("<span>")[1:9]]
    number = int(re.search(r"group number (\d)", shown)[1])  # type: ignore[index]
    assert post(browser, "/settings/recovery", kept="yes", group=groups[number - 1]).headers["location"] == "/settings"
    assert "".join(groups) not in browser.get("/settings/recovery").text.replace("-", "")
    house.close()
    assert house.open_by("-".join(groups)) == RECOVERY
    house.close()
    with pytest.raises(WrongPassphrase):
        house.open_by("7K2M-0000-1111-2222-3333-4444-5555-6666")


def test_deleting_everything_takes_the_passphrase_and_the_name_and_leaves_nothing(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    browser = client(house)
    for values in ({"name": "Rahman", "passphrase": "wrong"}, {"name": "Lee", "passphrase": PASSPHRASE}):
        assert post(browser, "/settings/delete", **values).status_code == 422
    assert Store.exists(tmp_path / "jaga")
    assert "Everything is deleted" in post(browser, "/settings/delete", name="rahman", passphrase=PASSPHRASE).text
    assert house.state == "new"
    assert [one.name for one in (tmp_path / "jaga").iterdir() if one.suffix in (".db", ".json")] == []


# ------------------------------------------------------------ who looked


def test_every_deed_that_is_written_down_has_words() -> None:
    written = set()
    for path in SOURCE.rglob("*.py"):
        for call in re.findall(r"\baudit\(\s*\w+,\s*([^\n]*?)(?:,\s|,$)", path.read_text(), re.M):
            written.update(re.findall(r'(?<!f)"([a-z_.]+)"', call))
    written.update(f"alert.{kind}" for kind in ("seen", "fine", "talked", "reported"))
    assert len(written) > 40
    assert written - DEEDS == set()


def test_the_record_shows_everybodys_looks_to_every_grown_up(tmp_path: Path) -> None:
    clock = Clock()
    house = a_house(tmp_path, clock=clock)
    with house.store.session() as session:
        audit(session, "child.posts", at=clock(), family=1, person=1, subject="child:1")
        audit(session, "settings.changed", at=clock(), family=1, person=2, names="x")
        audit(session, "judged.anew", at=clock(), family=1, subject="child:1")
    for name in ("Siti", "Kamal", "Tok"):
        text = client(house, name).get("/audit").text
        assert "read the child&#39;s public posts" in text
        assert "changed the settings" in text
        assert "judged anew" not in text
    browser = client(house)
    assert "judged anew" in browser.get("/audit?kind=all").text
    looks = browser.get("/audit?kind=looks").text
    assert "public posts" in looks
    assert "changed the settings</td>" not in looks
    assert "public posts" not in browser.get("/audit?person=2&kind=all").text
    assert browser.get("/audit?person=x&before=99999999999999999999").status_code == 200


def test_a_record_that_was_changed_is_said_to_be(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    assert "none changed or missing" in client(house).get("/audit").text
    with house.store.engine.begin() as connection:
        for (name,) in connection.execute(
            sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'")
        ).all():
            connection.execute(sa.text(f'DROP TRIGGER "{name}"'))
        connection.execute(sa.text("UPDATE audit SET person = 2 WHERE id = 3"))
    assert "line 3 does not follow" in client(house).get("/audit").text


def test_the_record_is_read_page_by_page(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    with house.store.session() as session:
        for number in range(120):
            audit(session, "login", at=NOW + timedelta(minutes=number), family=1, person=1)
    browser = client(house)
    text, seen = browser.get("/audit").text, 0
    while True:
        seen += text.count("<td><time>")
        older = re.search(r'href="(/audit[^"]*before=\d+)"', text)
        if older is None:
            break
        text = browser.get(older[1].replace("&amp;", "&")).text
    with house.store.session(read_only=True) as session:
        assert seen == session.scalar(sa.select(sa.func.count()).select_from(AuditLine))


# ------------------------------------------------------------ agreement and the child's own page


@pytest.mark.parametrize(
    ("language", "title"), [("ms", "ms"), ("en", "Family agreement"), ("zh", "zh"), ("ta", "ta"), ("xx", "en")]
)
def test_the_agreement_is_printed_in_each_language(tmp_path: Path, language: str, title: str) -> None:
    house = a_house(tmp_path)
    browser = client(house)
    post(browser, "/agreement/rules", rule=["jaga:tell", "jaga:calm"], own="Nenek ditelefon setiap Ahad.\n\n")
    text = browser.get(f"/agreement?lang={language}").text
    shown = "en" if language == "xx" else language
    assert f'<article class="card agreement" lang="{shown}">' in text
    assert "Nenek ditelefon setiap Ahad." in text
    assert text.split('class="signing"')[1].count("<li>") == 4
    assert settings_of(kept(house)).house_rules == ("jaga:tell", "jaga:calm", "Nenek ditelefon setiap Ahad.")


def test_own_rules_have_bounds_and_cannot_pass_for_ours() -> None:
    assert chosen_rules(["jaga:night", "jaga:nonsense"], "jaga:tell\n a  b ") == ("jaga:night", "a b")
    for own in ("x" * 301, "\n".join("abcdefghijklmnopqrstu")):
        with pytest.raises(UsageError):
            chosen_rules([], own)


def test_the_child_sees_who_looked_and_decides_what_more_is_shown(tmp_path: Path) -> None:
    house = a_house(tmp_path)
    browser = client(house, "Aina")
    text = browser.get("/me").text
    assert "Nobody has looked at anything of yours so far." in text
    assert "These grown-ups can look: Siti, Kamal, Tok." in text
    with house.store.session() as session:
        audit(session, "child.posts", at=NOW, family=1, person=2, subject="child:1")
        audit(session, "child.posts", at=NOW, family=1, person=2, subject="child:2")
    text = browser.get("/me").text
    assert text.count("read the child&#39;s public posts") == 1
    assert post(browser, "/me/consent", "/me", shows="yes").status_code == 303
    with house.store.session(read_only=True) as session:
        assert session.get_one(Child, 1).settings["shows_messages"] is True
    post(browser, "/me/consent", "/me")
    with house.store.session(read_only=True) as session:
        assert session.get_one(Child, 1).settings["shows_messages"] is False
        assert session.scalars(sa.select(AuditLine.what)).all().count("child.consent") == 2
    for name in ("Siti", "Tok"):
        assert post(client(house, name), "/me/consent", "/account", shows="yes").status_code == 403


@pytest.mark.parametrize(
    ("birth", "now_line", "lines", "asked"),
    [
        ("2018-05", "Your parents can see the messages", 4, False),
        ("2015-05", "Your parents can see the messages", 4, False),
        ("2013-05", "From 13", 3, True),
        ("2010-05", "From 16", 2, True),
    ],
)
def test_the_child_is_told_what_changes_with_age(
    tmp_path: Path, birth: str, now_line: str, lines: int, asked: bool
) -> None:
    house = a_house(tmp_path)
    with house.store.session() as session:
        session.get_one(Child, 1).birth = birth
    part = client(house, "Aina").get("/me").text.split('id="consent"')[1].split("</section>")[0]
    assert part.count("<li>") == lines
    assert part.count(">now<") == 1
    assert now_line in part.split(">now<")[1][:80]
    assert "At 18 Jaga reads nothing" in part
    assert ("I allow my parents" in part) == asked
