"""The pages of an evidence pack in a real browser: readable by everyone, and nothing that a stranger wrote runs."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from jaga.family.pack import write_pack
from tests.family.pack.samples import KEY, LINES, NOW, content

LANGUAGES = ("ms", "en", "zh", "ta")
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
HOSTILE = (
    *LINES,
    ("KingRay", "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"),
    ("KingRay", "\u202emoc.elpmaxe" + "x" * 300 + " https://example.com/" + "y" * 300),
    ("KingRay", "مرحبا كيف حالك؟ 😀"),
)


@pytest.fixture(scope="session")
def packs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Language to the folder of an unpacked pack."""
    folders = {}
    for language in LANGUAGES:
        folders[language] = tmp_path_factory.mktemp(f"pack-{language}")
        told = content(language, HOSTILE, every=True, name="<b>King</b>Ray")
        written = write_pack(told, folders[language] / "pack.zip", signing_key=KEY, now=NOW, isolated=False)
        with zipfile.ZipFile(written.path) as box:
            box.extractall(folders[language])
    return folders


@pytest.mark.parametrize("name", ["report.html", "certificate-s90a.html"])
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")], ids=["desk", "phone"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_stands_in_the_way_of_a_screen_reader(
    page: Page, packs: dict[str, Path], language: str, width: int, scheme: str, name: str
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto((packs[language] / name).as_uri())
    found = Axe().run(page).response
    assert [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"]] == []
    assert {"color-contrast", "heading-order", "landmark-one-main"} <= {one["id"] for one in found["passes"]}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_small_phone_needs_no_scrolling_sideways(page: Page, packs: dict[str, Path], language: str) -> None:
    page.set_viewport_size({"width": 320, "height": 800})
    page.goto((packs[language] / "report.html").as_uri())
    assert page.evaluate(WIDER) <= 0


def test_what_a_stranger_wrote_does_not_run(page: Page, packs: dict[str, Path]) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((packs["en"] / "report.html").as_uri())
    assert page.title() == "Evidence pack: one contact of a child"
    assert page.locator("img, script").count() == 0
    assert asked == [(packs["en"] / "report.html").as_uri()]
