"""Help and faults of use: in the reader's language, fitted to the terminal, with the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from jaga.cli._help import USAGE_FAULTS
from jaga.words import words
from tests.cli.conftest import SAMPLES, Run


def test_help_speaks_the_language_asked_for_on_the_command_line_or_in_the_environment(
    jaga: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Cara guna: jaga check [PILIHAN] LALUAN..." in jaga("check", "--help", "--lang", "ms").out
    assert "用法: jaga check" in jaga("check", "--lang=zh", "--help").out
    monkeypatch.setenv("JAGA_LANG", "ta")
    assert "பயன்பாடு: jaga" in jaga("--help").out
    assert "Usage: jaga check" in jaga("check", "--help", "--lang", "en").out
    assert "用法: jaga check" in jaga("--lang", "zh", "check", "--help").out


def test_the_language_may_stand_before_the_command(jaga: Run) -> None:
    assert "Jaga telah membaca" in jaga("--lang", "ms", "check", SAMPLES).out
    assert "Jaga read" in jaga("--lang", "ms", "check", SAMPLES, "--lang", "en").out
    assert "is not a language" in jaga("--lang", "fr", "check", SAMPLES).err


@pytest.mark.parametrize("language", ["ms", "zh", "ta"])
@pytest.mark.parametrize(
    "command", [(), ("check",), ("evaluate",), ("verify",)], ids=["jaga", "check", "evaluate", "verify"]
)
def test_no_english_is_left_in_help(
    jaga: Run, monkeypatch: pytest.MonkeyPatch, language: str, command: tuple[str, ...]
) -> None:
    monkeypatch.setenv("JAGA_LANG", language)
    said = jaga(*command, "--help").out
    assert "--help" in said
    for word in ("Usage", "Options:", "Commands:", "Arguments:", " the ", "Show "):
        assert word not in said


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_help_fits_the_terminal(jaga: Run, columns: int) -> None:
    from rich.cells import cell_len

    for language in ("ms", "en", "zh", "ta"):
        lines = jaga("check", "--help", "--lang", language, columns=columns).out.splitlines()
        assert max(map(cell_len, lines)) <= min(columns, 90)


def test_nothing_said_is_help(jaga: Run) -> None:
    done = jaga()
    assert done.code == 0
    assert "check" in done.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("check",), "Missing argument 'PATH...'."),
        (("chek",), "No such command 'chek'. Did you mean 'check'?"),
        (("check", "--lng", "ms", "x"), "No such option: --lng"),
        (("check", "x", "--lang"), "Option '--lang' requires an argument."),
        (("check", ""), "PATH: is empty (name a file or folder)"),
        (("check", SAMPLES, "--html", ""), "--html: is empty"),
        (("check", SAMPLES, "--child", " "), "--child: is empty (give the child's name as it stands in the chats)"),
        ((SAMPLES,), "To read an export: jaga check PATH..."),
        (("check", SAMPLES, "--lang", "fr"), "--lang fr: is not a language that Jaga speaks (choose one of ms (Bahasa"),
        (("check", SAMPLES, "--age", "99"), "--age 99: is not the age of a child (give whole years, 0 to 17)"),
        (("check", SAMPLES, "--age", "-1"), "--age -1: is not the age of a child"),
        (("check", SAMPLES, "--age", "ten"), "--age ten: is not the age of a child"),
        (("check", SAMPLES, "--age", "²"), "--age ²: is not the age of a child"),
        (("check", SAMPLES, "--zone", "asia/kuala lumpur"), "did you mean Asia/Kuala_Lumpur?"),
        (("check", SAMPLES, "--zone", "+8"), "--zone +8: is not a time zone (give one like Asia/Kuala_Lumpur"),
        (("check", SAMPLES, "--zone", "../../etc"), "is not a time zone"),
        (("check", SAMPLES, "--country", "Malaysia"), "no guidance for this country yet (choose one of my, intern"),
        (("check", SAMPLES, "--html", "/absent/report.html"), "there is no folder /absent (make it first)"),
        (("check", SAMPLES, "--html", "/tmp"), "--html /tmp: is a folder (name a file in it"),
    ],
    ids=lambda value: " ".join(str(one) for one in value if one != SAMPLES) if isinstance(value, tuple) else "",
)
def test_wrong_use_says_what_is_wrong_and_what_would_be_right(
    jaga: Run, arguments: tuple[str | Path, ...], said: str
) -> None:
    done = jaga(*arguments)
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert done.out == ""


def test_wrong_use_is_said_in_the_language_of_the_reader(jaga: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--age 99: bukan umur kanak-kanak" in jaga("check", SAMPLES, "--age", "99", "--lang", "ms").err
    monkeypatch.setenv("JAGA_LANG", "zh")
    assert "没有命令 'chek'。您是不是指 'check'？" in jaga("chek").err


def test_what_the_library_says_of_wrong_use_is_what_the_translators_were_given(jaga: Run) -> None:
    """Should the library change its wording, the translations would silently stop being found."""
    malay = words("ms")
    for arguments in ((), ("check",), ("chek",), ("check", "--lng"), ("check", "x", "--lang"), ("check", "--json=1")):
        if arguments:
            line = jaga(*arguments).err.split("jaga: ")[-1].splitlines()[0]
            assert malay.found(line) != line, line
    assert len(USAGE_FAULTS) == len(set(USAGE_FAULTS))


def test_a_report_that_cannot_be_written_is_told_before_a_long_reading(jaga: Run, tmp_path: Path) -> None:
    # The export does not exist either: had reading begun, that would have been the complaint.
    done = jaga("check", tmp_path / "absent", "--html", tmp_path)
    assert done.code == 2
    assert "absent" not in done.err
