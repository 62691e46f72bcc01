"""A family's first evening with Jaga, in a real browser against a real `jaga home`: setting up, the first export, the message on the phone and by
mail, reading, answering, and an evidence pack that another machine verifies."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from jaga.words import LANGUAGES
from tests.family.home.process import Serving, jaga, serving
from tests.family.notify.servers import Server, running

CHAT = Path(__file__).parents[2] / "samples" / "whatsapp" / "WhatsApp Chat with KingRay.txt"
PASSPHRASE = "kucing hujan meja biru"
WIDTHS = {"phone": 390, "desk": 1280}
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Whoever reads the message on the phone over somebody's shoulder learns none of this.
PRIVATE = ("Aina", "KingRay", "Siti", "Rahman", "WhatsApp", "whatsapp")


def zone_by_day() -> str:
    """A zone where it is day, so that the household is not asleep whenever this runs."""
    for name in ("Asia/Kuala_Lumpur", "Europe/Berlin", "America/New_York", "America/Los_Angeles", "Pacific/Auckland"):
        if 8 <= datetime.now(ZoneInfo(name)).hour < 20:
            return name
    raise AssertionError("it is night everywhere")


@dataclass
class Story:
    """The household under way. `show` is called with each step's name, for pictures."""

    folder: Path
    server: Serving
    ntfy: Server
    smtp: Server
    show: Callable[[Page, str], None] = field(default=lambda page, step: None)

    def open(self, browser: Browser, language: str, width: int) -> BrowserContext:
        context = browser.new_context(
            viewport={"width": width, "height": 844}, locale=language, accept_downloads=True, reduced_motion="reduce"
        )
        context.set_default_timeout(60_000)
        return context

    def at(self, path: str) -> str:
        return self.server.address.rstrip("/") + path

    def log_in(self, page: Page) -> None:
        page.goto(self.at("/login"))
        page.fill("#name", "Siti")
        page.fill("#passphrase", PASSPHRASE)
        page.locator("form[action='/login'] button").click()
        page.wait_for_url(self.at("/"))

    def set_up(self, page: Page, language: str) -> None:
        """The wizard, by keyboard and mouse as a parent would."""
        page.goto(self.server.address)
        page.wait_for_url("**/setup")
        page.locator(f"button[name=language][value={language}]").click()
        expect(page.locator("html")).to_have_attribute("lang", language)
        self.show(page, "welcome")
        page.locator("a[href='/setup/household']").click()
        page.fill("#family", "Keluarga Rahman")
        page.select_option("#zone", zone_by_day())
        page.fill("#name", "Siti")
        page.fill("#passphrase", PASSPHRASE)
        page.fill("#again", PASSPHRASE)
        self.show(page, "household")
        page.locator("form[action='/setup/household'] button").click()
        page.wait_for_url("**/setup/recovery")
        self.show(page, "recovery")
        groups = page.locator(".kit span").all_inner_texts()
        assert len(groups) == 8
        found = re.search(r"\d", page.locator("label[for=group]").inner_text())
        assert found is not None
        page.fill("#group", groups[int(found[0]) - 1])
        page.check("#kept")
        page.locator("form[action='/setup/recovery'] button").click()
        page.wait_for_url("**/setup/children")
        page.fill("#name", "Aina")
        page.select_option("#year", str(datetime.now(ZoneInfo("UTC")).year - 11))
        page.select_option("#month", index=1)
        page.fill("#accounts", "Aina")
        self.show(page, "child")
        page.locator("form[action='/setup/children'] button").first.click()
        page.wait_for_url("**/setup/telling")
        page.check("input[name=how][value=together]")
        page.check("input[name=sure]")
        self.show(page, "telling")
        page.locator("form[action$='/told'] button").click()
        page.wait_for_url("**/setup/telling")
        page.locator("a[href='/setup/trusted']").click()
        page.locator("a[href='/setup/channels']").click()
        self.show(page, "channels")

    def set_channels(self, page: Page) -> None:
        """Both channels, each with a trial that arrives."""
        for server in (self.ntfy, self.smtp):
            form = page.locator("form:has(input[name=kind][value=other])")
            form.locator("xpath=ancestor::details").locator("summary").click()
            form.locator("#url").fill(server.url())
            form.locator("button").click()
            page.wait_for_load_state()
            assert server.url() not in page.content()
        assert page.locator("form[action$='/trial']").count() == 2
        for number, server in enumerate((self.ntfy, self.smtp)):
            page.locator("form[action$='/trial'] button").nth(number).click()
            server.wait(1)
            page.locator("main a.button").click()
        page.locator("a[href='/setup/rules']").click()
        self.show(page, "rules")
        page.locator("a[href='/setup/done']").click()
        self.show(page, "ready")
        page.locator("main a[href='/']").click()
        self.show(page, "calm")

    def bring_in(self, page: Page, file: Path) -> None:
        page.goto(self.at("/sources"))
        page.set_input_files("#files", file)
        self.show(page, "bring-in")
        page.locator("#bring-form button[type=submit]").click()
        expect(page.locator(".imports li.done")).to_have_count(1, timeout=120_000)
        self.show(page, "brought-in")

    def read(self, page: Page) -> str:
        """From Today to the alert; its path."""
        page.goto(self.at("/"))
        expect(page.locator(".card a").first).to_contain_text("KingRay")
        self.show(page, "today")
        page.locator(".card a").first.click()
        expect(page.locator("h1")).to_contain_text("KingRay")
        self.show(page, "alert")
        return re.sub(r"^https?://[^/]+", "", page.url)

    def pack(self, page: Page, alert: str, to: Path) -> tuple[Path, str]:
        """The evidence pack, downloaded, and the fingerprint that the page tells."""
        page.goto(self.at(alert))
        page.locator("a[href$='/pack']").click()
        self.show(page, "pack")
        mark = page.locator(".code strong").inner_text()
        with page.expect_download() as coming:
            page.locator("form[action$='/pack'] button").first.click()
        path = to / coming.value.suggested_filename
        coming.value.save_as(path)
        return path, mark


@contextmanager
def a_story(place: Path) -> Iterator[Story]:
    """A new household's server, and the servers that its notifications arrive at."""
    with (
        running("ntfy", place / "ntfy") as ntfy,
        running("smtp", place / "smtp") as smtp,
        serving(place / "home") as server,
    ):
        yield Story(place / "home", server, ntfy, smtp)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with a_story(tmp_path_factory.mktemp("story")) as begun:
        yield begun


@pytest.mark.slow
def test_the_whole_story_on_a_phone_in_malay(story: Story, browser: Browser, tmp_path: Path) -> None:
    the_whole_story(story, browser, "ms", "phone", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_whole_story_in_every_language_on_phone_and_desk(
    browser: Browser, tmp_path: Path, language: str, width: str
) -> None:
    if (language, width) == ("ms", "phone"):
        return  # Told above, by the household that is then read in every language.
    narrow: list[str] = []
    with a_story(tmp_path / "story") as begun:

        def fits(page: Page, step: str) -> None:
            # A page that is just being replaced has no width.
            page.wait_for_load_state()
            page.wait_for_function("document.documentElement !== null")
            if page.evaluate(WIDER) > 0:
                narrow.append(step)

        begun.show = fits
        the_whole_story(begun, browser, language, width, tmp_path)
    assert narrow == []


def the_whole_story(story: Story, browser: Browser, language: str, width: str, tmp_path: Path) -> None:
    """Set-up, an export, notifications, reading, the pack checked elsewhere and tampered with, the answer, and taking it back."""
    context = story.open(browser, language, WIDTHS[width])
    page = context.new_page()
    failed: list[str] = []
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on(
        "request", lambda asked: failed.append(asked.url) if not asked.url.startswith(story.server.address) else None
    )
    story.set_up(page, language)
    story.set_channels(page)
    export = tmp_path / CHAT.name
    shutil.copy(CHAT, export)
    story.bring_in(page, export)

    # It is told outside, without a word of what it is.
    for server in (story.ntfy, story.smtp):
        arrived = server.wait(2, longest_s=60)
        assert len(arrived) == 2
        title, body = arrived[1]
        assert "Jaga" in title
        assert story.server.address in body
        for private in PRIVATE:
            assert private not in title + body

    alert = story.read(page)
    shown = page.locator("main").inner_text()
    assert "KingRay" in shown
    # Two lines around, only behind a deliberate step, and written down.
    page.locator("form[action$='/around'] button").click()
    page.goto(story.at("/audit"))
    story.show(page, "audit")

    made, mark = story.pack(page, alert, tmp_path)
    elsewhere = tmp_path / "another machine"
    elsewhere.mkdir()
    shutil.move(made, elsewhere / made.name)
    whole = jaga(elsewhere / "nothing", "verify", elsewhere / made.name, "--key", mark, "--original", export)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    changed = elsewhere / "changed.zip"
    with zipfile.ZipFile(elsewhere / made.name) as old, zipfile.ZipFile(changed, "w") as new:
        for one in old.infolist():
            content = old.read(one)
            new.writestr(one, content.replace(b"KingRay", b"KingRoy") if one.filename.endswith(".json") else content)
    assert jaga(elsewhere / "nothing", "verify", changed).returncode == 11
    assert not (elsewhere / "nothing").exists()

    page.goto(story.at(alert))
    page.fill("#reason", "Kami sudah berbual")
    page.locator("button[name=kind][value=talked]").click()
    page.wait_for_load_state()
    page.goto(story.at("/"))
    expect(page.locator("main .calm")).to_have_count(1)
    story.show(page, "calm-again")
    page.goto(story.at(alert))
    page.locator("form[action$='/undo'] button").click()
    context.close()
    assert failed == []


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_reading_it_in_every_language_on_phone_and_desk(
    story: Story, browser: Browser, language: str, width: str
) -> None:
    """After the whole story: logging in, Today, the alert, friends, the child, settings; nothing stands out of the page or in another language."""
    context = story.open(browser, language, WIDTHS[width])
    page = context.new_page()
    story.log_in(page)
    page.goto(story.at("/account"))
    page.select_option("form[action='/account/language'] select", language)
    page.locator("form[action='/account/language'] button").click()
    expect(page.locator("html")).to_have_attribute("lang", language)
    alert = story.read(page)
    paths = ["/", alert, f"{alert}/pack", "/friends", "/children", "/sources", "/settings", "/audit", "/guides"]
    for path in paths:
        page.goto(story.at(path))
        assert page.evaluate(WIDER) <= 0, path
        expect(page.locator("html")).to_have_attribute("lang", language)
        assert page.locator("h1").count() == 1
    context.close()
