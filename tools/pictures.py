"""Makes the pictures of the README and docs again, from the sample export: `.venv/bin/python -m tools.pictures`.

`-m tools.pictures home` makes those of `jaga home` alone: a household is set up, and the sample brought in, once in each language.

Needs chromium, and fonts for Tamil and Chinese (fonts-noto-core, fonts-noto-cjk) for those pages.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
CHECK = ["check", "samples/whatsapp", "--child", "Aina", "--zone", "Asia/Kuala_Lumpur"]
# The first part of the report on a terminal; the rest is more of the same.
LINES = 38
# The page of rich's pictures, without its fonts from the network.
TERMINAL = """<svg viewBox="0 0 {terminal_width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>text {{ font-family: "Noto Sans Mono", "DejaVu Sans Mono", monospace; font-size: {char_height}px; white-space: pre; }} {styles}</style>
<rect width="100%" height="100%" fill="#15181c"/><defs>{lines}</defs>
<g transform="translate(12, 8)">{backgrounds}{matrix}</g></svg>"""


def jaga(*arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [Path(sys.executable).with_name("jaga"), *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return done.stdout


def terminal(page: Page) -> bytes:
    said = jaga(*CHECK, "--lang", "en", FORCE_COLOR="1", COLUMNS="88", COLORTERM="truecolor")
    console = Console(record=True, width=88, file=io.StringIO())
    console.print(Text.from_ansi("\n".join(said.splitlines()[:LINES])))
    page.set_content(f"<body style='margin:0;width:900px'>{console.export_svg(code_format=TERMINAL)}</body>")
    return page.locator("svg").screenshot()


def save(name: str, picture: bytes) -> None:
    """64 colours: these are letters on flat grounds, and the repository keeps every version."""
    path = IMAGES / name
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1024} KiB")


# Language to width, height, colours and steps of the story (tests/browser/test_home_story.py).
HOME = (
    ("en", 1100, 900, "light", ("welcome", "telling", "today", "alert")),
    ("ms", 390, 844, "light", ("channels", "alert")),
    ("zh", 390, 844, "dark", ("today", "alert")),
    ("ta", 390, 844, "light", ("today", "alert")),
)


def home(browser: Browser) -> None:
    """A real server, set up through its pages."""
    from tests.browser.test_home_story import CHAT, Story
    from tests.family.home.process import serving
    from tests.family.notify.servers import running

    for language, width, height, scheme, steps in HOME:
        with (
            tempfile.TemporaryDirectory() as place,
            running("ntfy", Path(place, "ntfy")) as ntfy,
            running("smtp", Path(place, "smtp")) as smtp,
            serving(Path(place, "home")) as server,
        ):

            def show(page: Page, step: str, language: str = language, steps: tuple[str, ...] = steps) -> None:
                if step in steps:
                    save(f"home-{step}-{language}.png", page.screenshot())

            story = Story(Path(place, "home"), server, ntfy, smtp, show)
            context = story.open(browser, language, width)
            page = context.new_page()
            page.set_viewport_size({"width": width, "height": height})
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            story.set_up(page, language)
            story.set_channels(page)
            story.bring_in(page, CHAT)
            story.read(page)
            context.close()


def main() -> None:
    chromium = shutil.which("chromium")
    flags = ["--disable-gpu", "--no-first-run", "--no-sandbox", "--disable-background-networking"]
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        home(browser)
        if sys.argv[1:] == ["home"]:
            return
        page = browser.new_page(viewport={"width": 900, "height": 900})
        save("terminal-en.png", terminal(page))
        for language, width, height, scheme in (
            ("en", 860, 1120, "light"),
            ("ms", 380, 900, "light"),
            ("zh", 380, 900, "dark"),
            ("ta", 380, 900, "light"),
        ):
            report = Path(folder, f"{language}.html")
            jaga(*CHECK, "--lang", language, "--html", str(report))
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            page.set_viewport_size({"width": width, "height": height})
            page.goto(report.as_uri())
            save(f"report-{language}.png", page.screenshot())
        browser.close()


if __name__ == "__main__":
    main()
