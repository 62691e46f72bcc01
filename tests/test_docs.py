"""The docs say what the code does: every option, exit code, tactic and helpline, and no page or picture is lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from jaga.cli._app import app
from jaga.cli._exits import Exit
from jaga.guidance import load_guidance
from jaga.signals.catalogue import load_catalogue
from jaga.words import words

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def page(name: str) -> str:
    return " ".join((DOCS / name).read_text(encoding="utf-8").split())


def test_every_option_of_check_is_explained_and_no_other() -> None:
    command = typer.main.get_command(app).commands["check"]  # type: ignore[attr-defined]
    options = {option for parameter in command.params for option in parameter.opts if option.startswith("--")}
    assert set(re.findall(r"\| `(--[\w-]+)", page("check.md"))) == options


def test_every_command_and_option_of_home_is_explained() -> None:
    home = typer.main.get_command(app).commands["home"]  # type: ignore[attr-defined]
    text = page("home.md")
    for name in home.commands:
        assert f"`jaga home {name}" in text
    missing = [
        option
        for command in (home, *home.commands.values())
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--") and option not in text
    ]
    assert missing == []


def test_every_exit_code_is_explained() -> None:
    assert {int(code) for code in re.findall(r"\| (\d+) \|", page("check.md"))} == {code.value for code in Exit}


def test_every_tactic_is_listed_and_the_grave_ones_are_marked() -> None:
    from jaga.assessment._judging import CORE

    text = page("what-jaga-listens-for.md")
    for name, tactic in load_catalogue().tactics.items():
        if name == "protective":
            assert f"**{tactic.title}**" in text
        else:
            assert f"| {tactic.title}{' *' if name in CORE else ''} |" in text


def test_every_helpline_and_risk_is_in_the_advice() -> None:
    from jaga.cli._words import risk_words

    text = page("when-it-finds-something.md")
    guidance = load_guidance("my")
    for line in guidance.helplines:
        assert f"| {line.name} |" in text
        assert re.sub(r"^(https.*)$", r"<\1>", line.reach) in text
    assert guidance.checked_on.isoformat() in text
    for risk in ("grooming", "sextortion", "meeting", "image_selling", "exposure", "distress"):
        assert f"| {risk_words(words('en'), risk)} |" in text


@pytest.mark.parametrize("document", sorted([ROOT / "README.md", *DOCS.rglob("*.md")]), ids=lambda path: path.stem)
def test_every_link_and_picture_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if "://" not in target:
            assert (document.parent / target).exists(), target


def test_every_picture_is_small_and_used() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *DOCS.rglob("*.md")])
    for picture in (DOCS / "images").iterdir():
        assert picture.stat().st_size < 100_000, picture.name
        assert picture.name in text
