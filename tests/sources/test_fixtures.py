"""Every format that docs/how-to-export.md lists, in a small invented export of its real layout, against whole expected records."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jaga.sources import all_sources
from tests.sources.shape import EXPECTED, FIXTURES, built, fixtures, shape

ALL = fixtures()
IDS = [f"{path.parent.name}:{path.name}" for path in ALL]
# Formats whose content does not say what they are: a bare list of people, a block of dates and names.
NAME_MATTERS = {"instagram_2023_followers_1.json", "2024_Following.txt"}
FILES = [path for path in ALL if path.is_file() and path.name not in NAME_MATTERS]


def expected(fixture: Path) -> list[str]:
    return fixture.with_name(fixture.name + EXPECTED).read_text(encoding="utf-8").splitlines()


def without_place(lines: list[str], name: str) -> list[str]:
    """The file's name stands in some places; what was read does not depend on it."""
    return [line.replace(name, "NAME") for line in lines]


@pytest.mark.parametrize("fixture", ALL, ids=IDS)
def test_gives_the_records_written_beside_it(fixture: Path, tmp_path: Path) -> None:
    assert shape(built(fixture, tmp_path)) == expected(fixture)


@pytest.mark.parametrize("fixture", FILES, ids=[f"{path.parent.name}:{path.name}" for path in FILES])
def test_a_renamed_file_is_known_by_its_content(fixture: Path, tmp_path: Path) -> None:
    renamed = shape(built(fixture, tmp_path, "holiday.jpg"))
    assert without_place(renamed, "holiday.jpg") == without_place(expected(fixture), fixture.name)


def test_every_source_has_a_fixture_and_no_fixture_is_left_over() -> None:
    folders = {path.name for path in FIXTURES.iterdir() if path.is_dir()}
    assert folders == {source.name for source in all_sources()}
    for fixture in ALL:
        said = json.loads(expected(fixture)[0])
        assert said["source"] == fixture.parent.name, fixture
    orphans = [
        path
        for path in FIXTURES.glob(f"*/*{EXPECTED}")
        if not path.with_name(path.name.removesuffix(EXPECTED)).exists()
    ]
    assert not orphans


def test_the_command_reads_them_all_in_workers(tmp_path: Path) -> None:
    """The public path: `jaga check --json` over every fixture, each in a folder of its own."""
    wanted: dict[str, int] = {}
    inputs: list[str] = []
    for number, fixture in enumerate(ALL):
        folder = tmp_path / str(number)
        folder.mkdir()
        inputs.append(str(built(fixture, folder)))
        said = json.loads(expected(fixture)[0])
        wanted[said["source"]] = wanted.get(said["source"], 0) + said["messages"]
    command = [
        sys.executable,
        "-c",
        "from jaga.cli import main; main()",
        "check",
        "--json",
        "--zone",
        "+08:00",
        "--child",
        "Aina",
        *inputs,
    ]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    report = json.loads(done.stdout)
    found: dict[str, int] = {}
    for item in report["inputs"]:
        found[item["source"]] = found.get(item["source"], 0) + item["messages"]
    assert found == wanted


def test_reading_changes_no_byte_of_the_evidence(tmp_path: Path) -> None:
    for number, fixture in enumerate(ALL):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = built(fixture, folder)
        files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
        before = [(file, file.read_bytes(), file.stat().st_mtime_ns) for file in files]
        shape(path)
        assert [(file, file.read_bytes(), file.stat().st_mtime_ns) for file in files] == before
        assert {one.name for one in folder.iterdir()} == {path.name}
