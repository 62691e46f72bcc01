"""What stands in front of every page: headers, cookies, the host's name, forms from elsewhere, who may open what."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from jaga.family.home import House, create_app
from jaga.family.home._security import COOKIE, CSRF, MOST_FORM_BYTES
from jaga.store import change_settings
from tests.family.home.house import CHEAP, PASSPHRASE, Clock, a_house, client, csrf_of, person_id, post


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    return a_house(tmp_path_factory.mktemp("guard"))


@pytest.mark.parametrize("path", ["/login", "/people", "/static/home.css", "/health", "/nothing", "/account/code.svg"])
def test_every_answer_carries_the_headers(house: House, path: str) -> None:
    headers = client(house).get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers


def test_nothing_on_a_page_needs_what_the_policy_forbids(house: House) -> None:
    for path in ("/login", "/people", "/account", "/settings", "/audit", "/agreement"):
        text = client(house).get(path).text
        assert "<style" not in text
        assert " style=" not in text
        assert " onclick" not in text
        assert text.count("<script") == text.count('<script src="/static/')


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_cookies_are_for_this_host_alone_and_out_of_reach_of_scripts(tmp_path: Path, scheme: str) -> None:
    browser = client(a_house(tmp_path), None, scheme=scheme)
    begun = browser.get("/login").headers.get_list("set-cookie")
    done = post(browser, "/login", name="Siti", passphrase=PASSPHRASE).headers.get_list("set-cookie")
    names = {one.split("=")[0] for one in begun + done}
    prefix = "__Host-" if scheme == "https" else ""
    assert names == {f"{prefix}{name}" for name in (CSRF, COOKIE, "jaga_device")}
    for one in begun + done:
        parts = [part.strip().lower() for part in one.split(";")]
        assert {"httponly", "samesite=strict", "path=/"} <= set(parts)
        assert ("secure" in parts) == (scheme == "https")
        assert not any(part.startswith("domain") for part in parts)


def test_over_tls_the_browser_is_told_to_stay_with_it(house: House) -> None:
    assert "max-age=31536000" in client(house, None, scheme="https").get("/login").headers["strict-transport-security"]
    assert "strict-transport-security" not in client(house, None).get("/login").headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8787", 200),
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("[::1]:8787", 200),
        ("192.168.1.5:8787", 200),
        ("jaga.example.org", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("", 421),
        ("[::1", 421),
    ],
)
def test_only_our_own_names_are_answered(tmp_path: Path, host: str, status: int) -> None:
    house = a_house(tmp_path)
    with house.store.session() as session:
        change_settings(session, 1, by=1, now=house.now(), address="https://jaga.example.org/")
    browser = client(house, None)
    assert browser.get("/login", headers={"host": host}).status_code == status
    assert browser.get("/static/home.css", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 303),
        ({"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"}, 303),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "https://127.0.0.1"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "null"}, 403),
    ],
)
def test_a_form_from_elsewhere_is_refused_even_with_the_right_token(
    house: House, headers: dict[str, str], status: int
) -> None:
    browser = client(house)
    token = csrf_of(browser, "/account")
    sent = browser.post("/account/language", data={"csrf": token, "language": "en"}, headers=headers)
    assert sent.status_code == status


def _posts() -> list[str]:
    surface = create_app(House(Path("/nowhere"), cost=CHEAP), openapi=True).openapi()
    return sorted(path for path, methods in surface["paths"].items() if "post" in methods)


@pytest.mark.parametrize("path", _posts())
def test_without_the_token_nothing_is_taken(house: House, path: str) -> None:
    filled = path
    for name in ("child_id", "person_id", "session_id", "passkey_id", "invitation_id", "trusted_id", "channel_id", "alert_id", "friend_id", "import_id", "watched_id"):  # fmt: skip
        filled = filled.replace(f"{{{name}}}", "1")
    for browser in (client(house), client(house, None)):
        for values in ({}, {"csrf": ""}, {"csrf": "x" * 43}):
            answer = browser.post(filled, data=values)
            # Uploads check it themselves, as the form arrives: see test_sources.
            assert answer.status_code in ((403,) if filled != "/sources/upload" else (400, 403, 303)), answer.text


def test_a_form_that_is_too_large_is_not_read(house: House) -> None:
    browser = client(house)
    sent = browser.post("/account/language", data={"csrf": "x", "language": "e" * MOST_FORM_BYTES})
    assert sent.status_code == 413


def test_a_form_of_unknown_length_is_not_read(house: House) -> None:
    browser = client(house)
    sent = browser.post(
        "/account/language", content=iter([b"csrf=x"]), headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert sent.status_code == 413


def test_only_the_machine_itself_sets_up_a_new_house(tmp_path: Path) -> None:
    house = House(tmp_path / "jaga", now=Clock(), cost=CHEAP)
    for address, status in (("127.0.0.1", 200), ("::1", 200), ("192.168.1.9", 403), ("nonsense", 403)):
        browser = TestClient(
            create_app(house), base_url="http://127.0.0.1", client=(address, 1), follow_redirects=False
        )
        assert browser.get("/setup").status_code == status


def test_a_link_from_a_message_finds_its_reader_logged_in(house: House) -> None:
    """The browser sends no SameSite=Strict cookie with a link from elsewhere; asking once more from our own page it does."""
    away = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    first = client(house, None).get("/people", headers=away)
    assert (first.status_code, 'http-equiv="refresh"' in first.text) == (200, True)
    assert client(house).get("/people", headers={**away, "sec-fetch-site": "same-origin"}).status_code == 200


def test_who_may_open_what(house: House) -> None:
    parent_only = ["/people/children/new", "/people/invite", "/settings/recovery", "/settings/delete", "/agreement/rules", "/setup/children", "/people/children/1/erase"]  # fmt: skip
    grown = ["/friends", "/people", "/people/children/1", "/settings", "/settings/channels", "/audit", "/sources", "/account/code"]  # fmt: skip
    everybody = ["/account", "/agreement"]
    wanted = {"Siti": (200, 200, 200, 403), "Tok": (403, 200, 200, 403), "Aina": (403, 403, 200, 200)}
    for name, (parents, grown_ups, all_of_them, child) in wanted.items():
        browser = client(house, name)
        for paths, status in ((parent_only, parents), (grown, grown_ups), (everybody, all_of_them), (["/me"], child)):
            for path in paths:
                assert (name, path, browser.get(path).status_code) == (name, path, status)


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/settings/telling", "/account"),
        ("/settings/keeping", "/account"),
        ("/settings/showing", "/account"),
        ("/settings/household", "/account"),
        ("/people/children", "/account"),
        ("/people/children/1", "/account"),
        ("/people/children/1/told", "/account"),
        ("/people/children/1/login", "/account"),
        ("/people/children/1/trusted", "/account"),
        ("/people/children/1/erase", "/account"),
        ("/people/invite", "/account"),
        ("/people/1/remove", "/account"),
        ("/agreement/rules", "/account"),
        ("/settings/recovery/new", "/account"),
        ("/settings/delete", "/account"),
        ("/setup/children", "/account"),
        ("/setup/rules", "/account"),
    ],
)
@pytest.mark.parametrize("name", ["Tok", "Aina"])
def test_a_guardian_and_a_child_change_nothing(house: House, name: str, path: str, page: str) -> None:
    browser = client(house, name)
    answer = post(browser, path, page, kind="known", how="together", sure="yes", passphrase=PASSPHRASE)
    assert answer.status_code == 403


def test_a_fault_of_ours_shows_no_inner_workings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    house = a_house(tmp_path)
    browser = TestClient(
        create_app(house), base_url="http://127.0.0.1", follow_redirects=False, raise_server_exceptions=False
    )
    browser.cookies = client(house).cookies

    def broken(*_: object) -> None:
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr("jaga.family.home.pages.people.grown_ups", broken)
    answer = browser.get("/people")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_the_description_of_the_surface_is_for_tests_alone(house: House) -> None:
    assert client(house).get("/openapi.json").status_code == 404
    assert person_id(house, "Siti")
