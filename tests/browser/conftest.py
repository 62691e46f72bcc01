"""A report in four languages and a real browser to read it with (Debian's chromium; see tools/get-browser)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from jaga.cli._html import write_html
from jaga.family import check
from jaga.guidance import load_guidance
from jaga.sources import Context
from jaga.words import words

SAMPLES = Path(__file__).parents[2] / "samples" / "whatsapp"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Nothing but the page: no first-run page, no update, no component that calls home.
FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# What a hostile export might hold: markup, a word that never breaks, a turned direction, a name in another script.
HOSTILE = (
    "01/03/2026, 20:00 - Aina: hi\n"
    "01/03/2026, 20:01 - \u202emoc.elpmaxe <script>alert(1)</script>: "
    "<script>document.title='taken'</script> jangan bagitau mak, rahsia kita je\n"
    "02/03/2026, 20:02 - \u202emoc.elpmaxe <script>alert(1)</script>: hantar gambar untuk abang je "
    + "x" * 300
    + " https://example.com/"
    + "y" * 300
    + "\n"
    "09/03/2026, 20:03 - \u202emoc.elpmaxe <script>alert(1)</script>: " + "sorang ke kat rumah? buat la kalau sayang\n"
    "09/03/2026, 20:04 - Aina: taknak\n"
    "09/03/2026, 20:05 - \u202emoc.elpmaxe <script>alert(1)</script>: "
    "bayar rm50 sekarang atau abang sebar gambar kau kat semua kawan sekolah kau\n"
)


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Language to report: the sample, a hostile chat, and a file that cannot be read."""
    folder = tmp_path_factory.mktemp("reports")
    hostile = folder / "hostile"
    hostile.mkdir()
    (hostile / "_chat.txt").write_text(HOSTILE, encoding="utf-8")
    unread = folder / ("a-very-long-name-without-a-break-" * 4 + ".zip")
    unread.write_bytes(b"PK\x03\x04")
    context = Context(zone=ZoneInfo("Asia/Kuala_Lumpur"), zone_name="Asia/Kuala_Lumpur")
    checked = check([SAMPLES, hostile, unread], context, child=["Aina"], isolated=False)
    pages = {}
    for language in ("ms", "en", "zh", "ta"):
        pages[language] = folder / f"{language}.html"
        write_html(pages[language], checked, load_guidance("my"), words(language), 13)
    return pages


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no browser: apt-get install chromium, then the tests of the page run")
    # A browser refuses its own sandbox to root, as in most containers.
    flags = [*FLAGS, "--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else FLAGS
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()
