"""Setting up, logging in and the family's own pages in a browser: a story from the first page on, a screen reader, keyboard, large print, passkeys."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from jaga.family.home import House
from jaga.family.home._security import COOKIE, start_session
from jaga.store._tables import Family, Person
from tests.browser.serving import serving
from tests.family.home.house import CHEAP, PASSPHRASE, a_house, person_id

WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
LANGUAGES = ("ms", "en", "zh", "ta")
BEFORE = ("/login", "/recover", "/join")
OF_PARENTS = (
    "/people",
    "/people/children/1",
    "/people/children/new",
    "/people/children/1/erase",
    "/people/invite",
    "/people/2/remove",
    "/account",
    "/account/code",
    "/settings",
    "/settings/channels",
    "/settings/recovery",
    "/settings/delete",
    "/audit",
    "/agreement",
    "/agreement/rules",
    "/setup/children",
    "/setup/telling",
    "/setup/trusted",
    "/setup/channels",
    "/setup/rules",
    "/setup/done",
    "/nothing-here",
)
OF_THE_CHILD = ("/me", "/account", "/agreement")


@dataclass
class Served:
    house: House
    port: int

    def address(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def speak(self, name: str, language: str) -> None:
        number = person_id(self.house, name)
        with self.house.store.session() as session:
            session.get_one(Person, number).language = language

    def enter(self, browser: Browser, name: str | None, language: str = "en", **how: object) -> BrowserContext:
        context = browser.new_context(**how)  # type: ignore[arg-type]
        cookies = [{"name": "jaga_lang", "value": language, "url": self.address()}]
        if name is not None:
            self.speak(name, language)
            number = person_id(self.house, name)
            cookies.append({"name": COOKIE, "value": start_session(self.house, number, None), "url": self.address()})
        context.add_cookies(cookies)  # type: ignore[arg-type]
        return context


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    house = a_house(tmp_path_factory.mktemp("house"))
    with serving(house) as port:
        yield Served(house, port)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Served]:
    """Nobody has set it up yet."""
    house = House(tmp_path / "jaga", cost=CHEAP)
    with serving(house) as port:
        yield Served(house, port)


def faults(page: Page) -> list[str]:
    found = Axe().run(page).response
    # A run that looked at nothing would pass as well.
    assert {"color-contrast", "html-has-lang", "landmark-one-main"} <= {one["id"] for one in found["passes"]}
    return [f"{page.url} {one['id']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"]]


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
def test_nothing_stands_in_the_way_of_a_screen_reader(
    served: Served, browser: Browser, width: int, scheme: str
) -> None:
    found = []
    for name, paths in ((None, BEFORE), ("Siti", OF_PARENTS), ("Aina", OF_THE_CHILD)):
        context = served.enter(browser, name, viewport={"width": width, "height": 900}, color_scheme=scheme)
        page = context.new_page()
        for path in paths:
            page.goto(served.address(path))
            page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            found += faults(page)
        context.close()
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_small_phone_and_large_print_need_no_scrolling_sideways(
    served: Served, browser: Browser, language: str
) -> None:
    for name, paths in ((None, BEFORE), ("Siti", OF_PARENTS), ("Aina", OF_THE_CHILD)):
        context = served.enter(browser, name, language, viewport={"width": 320, "height": 800})
        page = context.new_page()
        wide = []
        for path in paths:
            page.goto(served.address(path))
            page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            if page.evaluate(WIDER) > 0:
                wide.append(path)
            # 640 px at 200 % zoom.
            page.set_viewport_size({"width": 640, "height": 800})
            page.evaluate("document.documentElement.style.fontSize = '200%'")
            if page.evaluate(WIDER) > 0:
                wide.append(f"{path} at 200 %")
            page.set_viewport_size({"width": 320, "height": 800})
        context.close()
        assert wide == []


@pytest.mark.slow
def test_a_family_is_set_up_from_the_first_page_to_the_last(fresh: Served, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(fresh.address())
    assert faults(page) == []
    page.get_by_role("link", name="Begin").click()
    page.get_by_label("What is your family called?").fill("Rahman")
    page.get_by_label("Your name").fill("Siti")
    page.get_by_label("A passphrase for you alone").fill("siti12345678")
    page.get_by_label("The same again").fill("siti12345678")
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("easy to guess")
    expect(page.get_by_label("What is your family called?")).to_have_value("Rahman")
    page.get_by_label("A passphrase for you alone").fill(PASSPHRASE)
    page.get_by_label("The same again").fill(PASSPHRASE)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("heading", name="Your recovery kit")).to_be_visible()
    assert faults(page) == []
    # Nothing else before the code is on paper.
    page.goto(fresh.address("/people"))
    expect(page.get_by_role("heading", name="Your recovery kit")).to_be_visible()
    groups = page.locator(".kit span").all_text_contents()
    number = int(re.search(r"group number (\d)", page.locator("main").inner_text())[1])  # type: ignore[index]
    page.get_by_label("To be sure").fill(groups[number - 1])
    page.get_by_label("The code is on paper").check()
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("What is your child called?").fill("Aina")
    page.get_by_label("Year", exact=True).select_option("2013")
    page.get_by_label("Month", exact=True).select_option("05")
    page.get_by_label("Names your child goes by").fill("Aina\naina.07")
    page.get_by_role("button", name="Go on", exact=True).click()
    page.get_by_text("We sat down together").click()
    page.get_by_label("Aina knows that Jaga is there").check()
    page.get_by_role("button", name="Keep").click()
    page.get_by_text("Give Aina a page of their own").click()
    page.get_by_label("Passphrase, chosen by your child").fill("jungle bananas")
    page.get_by_label("The same again").fill("jungle bananas")
    page.get_by_role("button", name="Make the log-in").click()
    expect(page.get_by_text("Aina logs in as Aina")).to_be_visible()
    page.get_by_role("link", name="Go on").click()
    page.get_by_label("Name, as it stands in the chats").fill("Cikgu Lina")
    page.get_by_text("Never to be read").click()
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_text("Cikgu Lina")).to_be_visible()
    page.get_by_role("link", name="Go on").click()
    page.get_by_role("button", name="Use ntfy").click()
    expect(page.get_by_role("button", name="Send a trial")).to_be_visible()
    page.get_by_role("link", name="Go on").click()
    page.get_by_label("Your own rules").fill("Grandmother is called every Sunday.")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("heading", name="Jaga is ready")).to_be_visible()
    assert faults(page) == []
    page.get_by_role("link", name="Print the family agreement").click()
    expect(page.get_by_text("Grandmother is called every Sunday.")).to_be_visible()
    page.goto(fresh.address("/me"))
    page.goto(fresh.address("/people"))
    page.get_by_text("Menu").click()
    page.get_by_role("button", name="Log out").last.click()
    page.get_by_label("Your name").fill("Aina")
    page.get_by_label("Passphrase").fill("jungle bananas")
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("heading", name="Hello, Aina")).to_be_visible()
    expect(page.get_by_text("Your talks with Cikgu Lina")).to_be_visible()
    with fresh.house.store.session(read_only=True) as session:
        assert session.get_one(Family, 1).settings["setup"] == "done"
    assert [line for line in said if "Content Security Policy" in line or "Trusted" in line] == []
    context.close()


@pytest.mark.slow
def test_it_is_all_done_by_keyboard_and_the_focus_is_seen(served: Served, browser: Browser) -> None:
    served.speak("Siti", "en")
    context = served.enter(browser, None, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(served.address("/login"))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Your name")).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.type("Siti")
    page.keyboard.press("Tab")
    page.keyboard.type("not the right one")
    page.keyboard.press("Enter")
    # What went wrong is where the reader is taken.
    expect(page.get_by_role("alert")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSPHRASE)
    page.keyboard.press("Enter")
    page.wait_for_url(served.address("/"))
    # Every stop of the settings can be reached, one after another, and each shows it.
    page.goto(served.address("/settings"))
    stops = page.locator("a[href], button, input:not([type=hidden]), select, summary").evaluate_all(
        "all => all.filter(one => one.checkVisibility() && !one.matches('input[type=radio]:not(:checked)')).length"
    )
    seen = set()
    # A field for a time has several stops of its own.
    for _ in range(stops + 20):
        page.keyboard.press("Tab")
        seen.add(page.evaluate("[...document.querySelectorAll('*')].indexOf(document.activeElement)"))
    assert len(seen - {-1}) >= stops
    context.close()


@pytest.mark.slow
def test_without_scripts_everything_works_but_passkeys(served: Served, browser: Browser) -> None:
    served.speak("Siti", "en")
    context = served.enter(browser, None, java_script_enabled=False)
    page = context.new_page()
    page.goto(served.address("/login"))
    expect(page.get_by_role("button", name="Log in with a passkey")).to_be_hidden()
    page.get_by_label("Your name").fill("Siti")
    page.get_by_label("Passphrase").fill(PASSPHRASE)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.goto(served.address("/account"))
    expect(page.get_by_text("Passkeys need JavaScript")).to_be_visible()
    page.get_by_label("Language of the pages and messages").select_option("en")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("heading", name="Your log-in")).to_be_visible()
    context.close()


@pytest.mark.slow
def test_a_passkey_is_added_and_logs_in(served: Served, browser: Browser) -> None:
    """With Chromium's virtual authenticator (WebAuthn testing API over the DevTools protocol)."""
    context = browser.new_context()
    page = context.new_page()
    devtools = context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    devtools.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    page.goto(served.address("/login", host="localhost"))
    page.get_by_label("Your name").fill("Kamal")
    page.get_by_label("Passphrase").fill(PASSPHRASE)
    page.get_by_role("button", name="Log in", exact=True).click()
    page.goto(served.address("/account", host="localhost"))
    page.get_by_label("What shall it be called?").fill("My laptop")
    page.locator("#passkey-passphrase").fill("not the right one")
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.get_by_text("Is the passphrase right?")).to_be_visible()
    page.locator("#passkey-passphrase").fill(PASSPHRASE)
    page.get_by_role("button", name="Add a passkey").click()
    expect(page.locator("#passkeys").get_by_text("My laptop", exact=True).first).to_be_visible()
    page.get_by_role("button", name="Log out").first.click()
    page.get_by_role("button", name="Log in with a passkey").click()
    page.wait_for_url(served.address("/", host="localhost"))
    page.goto(served.address("/account", host="localhost"))
    expect(page.get_by_role("link", name="Kamal").first).to_be_visible()
    # Taken away, it opens nothing any more.
    page.locator("#passkeys").get_by_role("button", name="Remove").click()
    page.get_by_role("button", name="Log out").first.click()
    page.get_by_role("button", name="Log in with a passkey").click()
    expect(page.get_by_text("The passkey did not work")).to_be_visible()
    context.close()


@pytest.mark.slow
def test_it_can_be_installed_and_keeps_no_page(served: Served, browser: Browser) -> None:
    context = served.enter(browser, "Siti")
    page = context.new_page()
    page.goto(served.address("/people"))
    page.evaluate("navigator.serviceWorker.ready")
    page.reload()
    manifest = page.evaluate("fetch(document.querySelector('link[rel=manifest]').href).then(one => one.json())")
    assert manifest["display"] == "standalone"
    sizes = {one["sizes"] for one in manifest["icons"]}
    assert {"192x192", "512x512"} <= sizes
    kept = page.evaluate(
        "caches.keys().then(names => Promise.all(names.map(name => caches.open(name).then(one => one.keys())))).then(all => all.flat().map(one => new URL(one.url).pathname))"
    )
    assert kept
    assert all(path.startswith("/static/") for path in kept)
    context.close()
