"""The report's page as its readers meet it: on a phone, at large print, by keyboard, with a screen reader, on paper."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

LANGUAGES = ("ms", "en", "zh", "ta")
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")], ids=["desk", "phone"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_stands_in_the_way_of_a_screen_reader(
    page: Page, reports: dict[str, Path], language: str, width: int, scheme: str
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(reports[language].as_uri())
    found = Axe().run(page).response
    assert [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"]] == []
    # A run that looked at nothing would pass as well.
    passed = {one["id"] for one in found["passes"]}
    assert {"color-contrast", "heading-order", "html-has-lang", "landmark-one-main", "svg-img-alt"} <= passed


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_small_phone_and_large_print_need_no_scrolling_sideways(
    page: Page, reports: dict[str, Path], language: str
) -> None:
    # 320 px is also a 640 px window at 200 % zoom, or 1280 px at 400 % (WCAG 1.4.10).
    page.set_viewport_size({"width": 320, "height": 800})
    page.goto(reports[language].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.evaluate(WIDER) <= 0
    page.set_viewport_size({"width": 640, "height": 800})
    page.add_init_script("addEventListener('DOMContentLoaded', () => document.documentElement.style.fontSize = '200%')")
    page.reload()
    assert page.evaluate("getComputedStyle(document.documentElement).fontSize") == "32px"
    assert page.evaluate(WIDER) <= 0


def test_the_table_says_what_the_chart_shows(page: Page, reports: dict[str, Path]) -> None:
    page.goto(reports["en"].as_uri())
    charts = page.locator("article:has(figure)")
    assert charts.count() >= 2
    for index in range(charts.count()):
        chart = charts.nth(index)
        cells = [
            [cell.strip() for cell in one.locator("th, td").all_text_contents()]
            for one in chart.locator("tbody tr").all()
        ]
        assert len(cells) >= 2
        for kind, column in (("messages", 1), ("signs", 2)):
            heights = chart.locator(f"svg.{kind} rect").evaluate_all("all => all.map(one => one.height.baseVal.value)")
            values = [float(cell[column]) for cell in cells if float(cell[column])]
            assert len(heights) == len(values)
            scale = max(heights) / max(values)
            # Rounded in the table to two places; a bar is never lower than can be seen.
            assert heights == pytest.approx([max(value * scale, 3) for value in values], abs=0.02 * scale + 0.02)
        assert chart.locator(".dates time").first.text_content() == cells[0][0]


def test_nothing_leaves_the_page_and_nothing_breaks_its_policy(page: Page, reports: dict[str, Path]) -> None:
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(reports["en"].as_uri())
    page.wait_for_load_state("networkidle")
    assert asked == [reports["en"].as_uri()]
    assert said == []
    # The style sheet is let in by its hash; had the hash been wrong, the page would be bare.
    assert page.evaluate("getComputedStyle(document.querySelector('article')).borderTopWidth") == "1px"
    source = reports["en"].read_text(encoding="utf-8")
    assert not re.search(r"<script|\sstyle=|\son\w+=", source)
    assert "unsafe" not in source


def test_what_an_export_holds_is_shown_and_never_run(page: Page, reports: dict[str, Path]) -> None:
    page.goto(reports["en"].as_uri())
    assert page.title() == "Jaga report"
    assert page.get_by_text("<script>document.title='taken'</script>").count() == 1
    assert page.locator("script").count() == 0
    # A turned direction stays inside the name and does not turn what follows it.
    assert page.locator("h2:has-text('elpmaxe') bdi").count() == 1


def test_everything_that_acts_is_reached_by_keyboard_and_shows_it(page: Page, reports: dict[str, Path]) -> None:
    page.goto(reports["en"].as_uri())
    expected = page.locator("a[href], summary").count()
    assert expected >= 6
    reached = []
    for _ in range(expected):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "[document.activeElement.tagName, document.activeElement.textContent,"
                " getComputedStyle(document.activeElement).outlineStyle]"
            )
        )
    order = page.locator("a[href], summary").all_text_contents()
    assert [text for _, text, _ in reached] == order
    assert {outline for _, _, outline in reached} == {"solid"}
    page.locator("summary").first.focus()
    assert not page.locator("table").first.is_visible()
    page.keyboard.press("Enter")
    assert page.locator("table").first.is_visible()


def test_what_was_not_read_is_said_beside_what_was_found(page: Page, reports: dict[str, Path]) -> None:
    page.goto(reports["en"].as_uri())
    short = page.get_by_role("region", name="In short")
    assert short.get_by_text("A part could not be read").is_visible()
    assert short.get_by_role("link", name="KingRay").is_visible()


def test_on_paper_it_is_dark_on_white_and_leaves_out_what_cannot_be_opened(
    page: Page, reports: dict[str, Path]
) -> None:
    page.goto(reports["en"].as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    assert page.evaluate(ground) == "rgb(255, 255, 255)"
    assert not page.locator("summary").first.is_visible()
    assert page.locator("figure").first.is_visible()


@pytest.mark.parametrize(("language", "tag"), [("ms", "ms"), ("en", "en"), ("zh", "zh-Hans"), ("ta", "ta")])
def test_the_page_and_what_is_quoted_name_their_language(
    page: Page, reports: dict[str, Path], language: str, tag: str
) -> None:
    page.goto(reports[language].as_uri())
    assert page.locator("html").get_attribute("lang") == tag
    quoted = page.locator("blockquote").evaluate_all("all => all.map(one => one.lang)")
    assert "ms" in quoted
    # Headings begin at one and skip no level.
    levels = page.locator("h1, h2, h3").evaluate_all("all => all.map(one => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
