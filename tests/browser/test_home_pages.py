"""The family's reading pages in a browser: for a screen reader, by keyboard, in large print, on a phone; and with hostile words in every field."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, expect

from jaga.family.home import House, create_app
from jaga.family.home._security import COOKIE, start_session
from jaga.store._tables import Person
from tests.family.home.conftest import Opened, make_house
from tests.family.home.household import Household

WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
LANGUAGES = ("ms", "en", "zh", "ta")


@dataclass
class Served:
    house: House
    ours: Household
    address: str

    def paths(self) -> list[str]:
        ours = self.ours
        return [
            "/",
            f"/alerts/{ours.alerts[0]}",
            f"/alerts/{ours.alerts[0]}/around",
            "/friends",
            "/friends?order=name&find=a",
            "/friends?show=requests",
            f"/friends/{ours.relationships[0]}",
            f"/friends/{ours.relationships[1]}",
            "/children",
            f"/children/{ours.children[0]}",
            "/sources",
            f"/sources/imports/{ours.imports[1]}",
            f"/sources/imports/{ours.imports[4]}",
            "/guides",
            "/guides/whatsapp",
            "/guides/telegram",
        ]

    def enter(self, browser: Browser, **how: object) -> BrowserContext:
        context = browser.new_context(**how)  # type: ignore[arg-type]
        context.add_cookies(
            [{"name": COOKIE, "value": start_session(self.house, self.ours.parent, None), "url": self.address}]
        )
        return context

    def speak(self, language: str) -> None:
        with self.house.store.session() as session:
            session.get_one(Person, self.ours.parent).language = language


def _serve(found: Opened) -> Iterator[Served]:
    house, ours, _ = found
    server = uvicorn.Server(uvicorn.Config(create_app(house), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield Served(house, ours, f"http://127.0.0.1:{port}")
    server.should_exit = True
    thread.join()
    house.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from _serve(make_house(tmp_path_factory.mktemp("served") / "jaga", hostile=False))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from _serve(make_house(tmp_path_factory.mktemp("hostile") / "jaga", hostile=True))


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280], ids=["phone", "desk"])
def test_nothing_stands_in_the_way_of_a_screen_reader(
    browser: Browser, served: Served, width: int, scheme: str
) -> None:
    served.speak("en")
    context = served.enter(browser, viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    found = []
    for path in served.paths():
        page.goto(served.address + path)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        answer = Axe().run(page).response
        found += [f"{path} {one['id']}: {one['nodes'][0]['html'][:200]}" for one in answer["violations"]]
        # A run that looked at nothing would pass as well.
        assert {"color-contrast", "landmark-one-main", "page-has-heading-one"} <= {
            one["id"] for one in answer["passes"]
        }
    context.close()
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_small_phone_and_large_print_need_no_scrolling_sideways(
    browser: Browser, served: Served, language: str
) -> None:
    served.speak(language)
    # 320 px is also a 640 px window at 200 % zoom, or 1280 px at 400 % (WCAG 1.4.10).
    narrow = served.enter(browser, viewport={"width": 320, "height": 800})
    large = served.enter(browser, viewport={"width": 640, "height": 800})
    large.add_init_script(
        "addEventListener('DOMContentLoaded', () => document.documentElement.style.fontSize = '200%')"
    )
    wide = []
    for context in (narrow, large):
        page = context.new_page()
        for path in served.paths():
            page.goto(served.address + path)
            page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
            if page.evaluate(WIDER) > 0:
                wide.append((path, page.viewport_size))
            assert page.locator("html").get_attribute("lang") in (language, "zh-Hans")
        context.close()
    assert wide == []


def test_everything_that_acts_is_reached_by_keyboard_and_shows_it(browser: Browser, served: Served) -> None:
    served.speak("en")
    context = served.enter(browser, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    acts = "a[href], button, summary, input:not([type=hidden]), select, textarea, [tabindex='0']"
    for path in ("/", f"/alerts/{served.ours.alerts[0]}", f"/friends/{served.ours.relationships[0]}", "/sources"):
        page.goto(served.address + path)
        expected = page.locator(acts).evaluate_all(
            "all => all.filter(one => one.checkVisibility() && !one.disabled).map(one => one.outerHTML.slice(0, 120))"
        )
        reached: list[str] = []
        unseen: list[str] = []
        for _ in range(len(expected)):
            page.keyboard.press("Tab")
            html, outline = page.evaluate(
                "[document.activeElement.outerHTML.slice(0, 120), getComputedStyle(document.activeElement).outlineStyle]"
            )
            reached.append(html)
            if outline == "none":
                unseen.append(html)
        assert reached == expected, path
        assert unseen == [], path
    context.close()


def test_an_alert_is_answered_and_taken_back_by_keyboard_without_script(browser: Browser, served: Served) -> None:
    served.speak("en")
    context = served.enter(browser, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{served.address}/alerts/{served.ours.alerts[1]}")
    page.get_by_role("textbox").focus()
    page.keyboard.type("We looked at it together")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("We looked at it together")).to_be_visible()
    page.get_by_role("button", name="Take the answer back").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="We talked")).to_be_visible()
    context.close()


def test_files_are_brought_in_by_choosing_and_by_dropping_and_without_script(
    browser: Browser, served: Served, tmp_path: Path
) -> None:
    served.speak("en")
    folder = tmp_path / "instagram"
    (folder / "inbox").mkdir(parents=True)
    (folder / "inbox" / "message_1.json").write_text("{}")
    (folder / "followers.json").write_text("[]")
    chat = tmp_path / "WhatsApp Chat with Mak Su.txt"
    chat.write_text("01/03/2026, 20:00 - Aina: hi\n")
    context = served.enter(browser)
    page = context.new_page()
    page.goto(served.address + "/sources")
    page.set_input_files("#files", str(chat))
    page.set_input_files("#folder", str(folder))
    with page.expect_navigation():
        page.get_by_role("button", name="Bring in", exact=True).click()
    page.wait_for_selector("text=instagram.zip")
    assert page.get_by_role("link", name="WhatsApp Chat with Mak Su.txt").is_visible()
    assert page.locator(".drop-hint").is_visible()
    with page.expect_navigation():
        page.evaluate(
            """() => {
                const data = new DataTransfer();
                data.items.add(new File(["01/03/2026, 20:00 - Aina: hi"], "dropped.txt"));
                document.getElementById("drop").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
            }"""
        )
    page.wait_for_selector("text=dropped.txt")
    context.close()
    plain = served.enter(browser, java_script_enabled=False)
    page = plain.new_page()
    page.goto(served.address + "/sources")
    page.set_input_files("#files", {"name": "plain.txt", "mimeType": "text/plain", "buffer": b"hi"})
    page.get_by_role("button", name="Bring in", exact=True).click()
    assert page.get_by_role("link", name="plain.txt").is_visible()
    plain.close()


def test_the_table_says_what_the_chart_shows(browser: Browser, served: Served) -> None:
    served.speak("en")
    context = served.enter(browser)
    page: Page = context.new_page()
    page.goto(f"{served.address}/friends/{served.ours.relationships[0]}")
    figure = page.locator("figure.charted").nth(1)
    heights = figure.locator("svg .rect").evaluate_all("all => all.map(one => one.height.baseVal.value)")
    cells = page.locator("main details").nth(1).locator("tbody td").all_text_contents()
    values = [float(cell.replace(",", "")) for cell in cells]
    assert len(heights) == len(values) >= 5
    scale = max(heights) / max(values)
    assert heights == pytest.approx([value * scale for value in values], rel=0.01)
    context.close()


def test_hostile_words_run_nothing_and_break_no_policy(browser: Browser, hostile: Served) -> None:
    context = hostile.enter(browser, viewport={"width": 390, "height": 800})
    said: list[str] = []
    asked: list[str] = []
    context.add_init_script(
        "window.broken = []; document.addEventListener('securitypolicyviolation', event => window.broken.push(event.violatedDirective + ' ' + event.blockedURI))"
    )
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    for path in hostile.paths():
        page.goto(hostile.address + path)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        for link in page.locator("main a").all()[:5]:
            link.hover()
        assert page.evaluate("window.taken") is None, path
        assert page.evaluate("window.broken") == [], path
        # Nor is the page pushed out of its frame.
        assert page.evaluate(WIDER) <= 0, path
    assert said == []
    assert all(url.startswith(hostile.address) for url in asked)
    # The listener hears: what the policy forbids is told.
    page.evaluate("document.head.appendChild(document.createElement('style')).textContent = 'a {}'")
    page.wait_for_function("window.broken.length > 0")
    context.close()
