"""The report on a terminal: narrow and wide, without colour where there is no terminal, safe against what exports hold."""

from __future__ import annotations

import json
import os
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from jaga.cli._terminal import _breaks, _cells
from tests.cli.conftest import SAMPLES, Run

LANGUAGES = ("ms", "en", "zh", "ta")


@pytest.mark.parametrize("columns", [60, 100, 200])
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_line_is_longer_than_the_terminal_and_nothing_is_cut_away(jaga: Run, language: str, columns: int) -> None:
    done = jaga("check", SAMPLES, "--child", "Aina", "--lang", language, columns=columns)
    lines = done.out.splitlines()
    assert max(map(cell_len, lines)) <= min(columns, 100)
    assert "…" not in done.out
    assert "https://report.iwf.org.uk/my" in done.out


def test_tamil_leaves_room_for_terminals_that_give_vowel_signs_a_cell(jaga: Run) -> None:
    import unicodedata

    report = jaga("check", SAMPLES, "--child", "Aina", "--lang", "ta", columns=60).out
    for line in [*report.splitlines(), *jaga("check", "--help", "--lang", "ta", columns=60).out.splitlines()]:
        wide = cell_len(line) + sum(unicodedata.category(letter) == "Mc" for letter in line)
        assert wide <= 60, line
    # The two rows of bars begin in one place.
    bars = [line for line in report.splitlines() if line.endswith(("செய்திகள்", "அறிகுறிகள்")) and "█" in line]
    assert [line[:2] for line in bars] == ["│ ", "│ "]
    assert all(line[2] in "▁▂▃▄▅▆▇█" for line in bars)


def test_chinese_fills_its_lines_and_no_line_begins_with_a_stop(jaga: Run) -> None:
    done = jaga("check", SAMPLES, "--child", "Aina", "--lang", "zh", columns=60)
    lines = done.out.splitlines()
    assert not [line for line in lines if line.lstrip("│ ↳·")[:1] in set("，。；：）、")]
    why = next(index for index, line in enumerate(lines) if "在 KingRay 的信息中" in line)
    assert cell_len(lines[why]) >= 57


def test_lines_carry_no_spaces_at_their_end(jaga: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    done = jaga("check", SAMPLES, "--child", "Aina", "--lang", "ta")
    bare = re.sub(r"\x1b\[[0-9;]*m", "", done.out)
    assert bare != done.out
    assert not [line for line in bare.splitlines() if line.endswith(" ")]


@example(text="aaaa ", width=2)
@example(text="\u0bcd。\u0bbe", width=2)
@given(text=st.text(alphabet="ab ，。（中文字கா்ிை👩\u200d\ufe0f", max_size=60), width=st.integers(2, 20))
def test_breaking_loses_nothing_and_keeps_to_the_width(text: str, width: int) -> None:
    offsets = _breaks(text, width)
    assert offsets == sorted(set(offsets))
    assert all(0 < offset < len(text) for offset in offsets)
    edges = [0, *offsets, len(text)]
    for start, end in pairwise(edges):
        assert sum(map(_cells, text[start:end].rstrip())) <= width


def test_without_a_terminal_there_is_no_colour_and_no_progress(jaga: Run) -> None:
    done = jaga("check", SAMPLES, "--child", "Aina", "--lang", "en")
    assert "\x1b" not in done.out + done.err
    assert done.err == ""


def test_what_to_do_and_what_cannot_be_told_are_always_said(jaga: Run, tmp_path: Path) -> None:
    done = jaga("check", SAMPLES, "--child", "Aina", "--lang", "en", "--age", "10")
    for said in ("What to do", "Who can help", "15999", "You are not in trouble", "never proves guilt"):
        assert said in " ".join(done.out.split())
    (tmp_path / "_chat.txt").write_text("13/02/2024, 21:05 - Ali: hi\n", encoding="utf-8")
    calm = " ".join(jaga("check", tmp_path, "--lang", "en").out.split())
    assert "That is not a promise that all is well" in calm
    assert "There was little to read, 1 message: too little to say much." in calm
    assert "Who can help" not in calm


def test_what_was_not_read_is_not_called_calm(jaga: Run, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    nothing = jaga("check", tmp_path / "absent", "--lang", "en", "--html", page)
    assert nothing.code == 3
    for text in (" ".join(nothing.out.split()), page.read_text(encoding="utf-8")):
        assert "Nothing could be read, so nothing can be said" in text
        assert "Nothing here reaches" not in text
    (tmp_path / "_chat.txt").write_text("13/02/2024, 21:05 - Ali: hi\n", encoding="utf-8")
    partly = jaga("check", tmp_path / "_chat.txt", tmp_path / "absent", "--lang", "en", "--html", page)
    assert partly.code == 4
    for text in (" ".join(partly.out.split()), page.read_text(encoding="utf-8")):
        assert "Nothing here reaches" in text
        assert "A part could not be read; what stands in it was not judged." in text


def test_problems_with_files_are_said_in_the_language_and_stay_english_in_json(jaga: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text(
        '{"conversation": "c", "author": "a", "time": "2026-03-01T20:00:00Z", "text": "hi"}\n{"conversation": 3}\n',
        encoding="utf-8",
    )
    said = jaga("check", bad, "--lang", "ms")
    assert said.code == 4
    # A long path is broken over lines.
    assert "bad.jsonl:baris2:bukanmesejdalamformatini" in "".join(said.out.split())
    document = json.loads(jaga("check", bad, "--lang", "ms", "--json").out)
    (problem,) = document["inputs"][0]["problems"]
    assert problem["where"].endswith("bad.jsonl: line 2")
    assert problem["what"].startswith("is not a message of this format")


def test_a_name_that_nobody_has_is_told_with_the_names_there_are(jaga: Run) -> None:
    done = jaga("check", SAMPLES, "--child", "Ania", "--lang", "en")
    said = " ".join(done.out.split())
    assert "Nobody called Ania is in these chats" in said
    assert "say --child with that name: Aina, Cikgu Lim, KingRay." in said
    assert "The child is Ania" not in said
    document = json.loads(jaga("check", SAMPLES, "--child", "Ania", "--json").out)
    assert document["child"] == {"ids": ["Ania"], "how": "named", "present": False}
    document = json.loads(jaga("check", SAMPLES, "--child", "Aina", "--json").out)
    assert document["child"]["present"] is True


def test_a_name_in_other_letters_or_with_spaces_around_is_the_same_name(jaga: Run) -> None:
    for name in ("aina", " Aina "):
        done = jaga("check", SAMPLES, "--child", name, "--lang", "en")
        assert "The child is Aina, as you said." in done.out


def test_control_sequences_and_turned_text_do_not_reach_the_terminal(jaga: Run, tmp_path: Path) -> None:
    name = "\x1b[31mRay\u202e"
    lines = [
        f"13/02/2024, 21:0{minute} - {name}: \x1b[2J{text}\n"
        for minute, text in enumerate(
            ("jgn bagitau mak, rahsia kita je", "hantar gambar awak", "sorg ke kat rumah", "jom jumpa, datang sorang")
        )
    ]
    (tmp_path / "_chat.txt").write_text("".join([*lines, "13/02/2024, 21:09 - Aina: ok\n"]), encoding="utf-8")
    done = jaga("check", tmp_path, "--child", "Aina", "--lang", "en")
    assert "Ray" in done.out
    assert "hantar gambar awak" in done.out
    assert not {"\x1b", "\u202e"} & set(done.out + done.err)


def test_the_page_is_written_beside_the_report_and_its_place_is_told(jaga: Run, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = jaga("check", SAMPLES, "--child", "Aina", "--lang", "ms", "--html", page)
    assert done.code in (10, 11)
    assert f"Laporan ditulis ke {page}" in done.err
    assert '<html lang="ms">' in page.read_text(encoding="utf-8")
    assert list(tmp_path.iterdir()) == [page]
    # Private messages are in it.
    assert os.name == "nt" or page.stat().st_mode & 0o077 == 0


def test_every_stage_risk_and_level_has_words() -> None:
    from typing import get_args

    from jaga.assessment import LEVELS
    from jaga.assessment._relationship import STAGES
    from jaga.assessment._types import RiskType
    from jaga.cli._words import level_words, risk_words, stage_words
    from jaga.words import words

    for language in LANGUAGES:
        say = words(language)
        said = [stage_words(say, stage) for stage in STAGES] + [risk_words(say, risk) for risk in get_args(RiskType)]
        said += [level_words(say, level) for level in LEVELS]
        assert all(said)
        assert len(set(said)) == len(said)
