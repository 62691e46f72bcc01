"""Translations: everything a person reads is said in every language, placeholders survive, found texts are recognised."""

from __future__ import annotations

import ast
import gettext
import re

import pytest
from babel.messages.catalog import Message

from jaga.records import Problem
from jaga.words import FOUND, LANGUAGES, Words, choose_language, words
from tools.words import LOCALE, _found, gather, load, untranslated

SPOKEN = sorted(set(LANGUAGES) - {"en"})
# Variables whose texts are gathered where they are assigned.
NAMED = ("what", "doubt")
FIELD = re.compile(r"\{\w*\}")


def test_every_language_but_english_has_a_catalogue() -> None:
    assert sorted(folder.name for folder in LOCALE.iterdir()) == SPOKEN


@pytest.mark.parametrize("language", SPOKEN)
def test_nothing_is_left_untranslated(language: str) -> None:
    assert untranslated(load(language)) == [], "run tools/words.py and translate what it adds"


@pytest.mark.parametrize("language", SPOKEN)
def test_no_translation_is_left_of_what_nobody_says(language: str) -> None:
    said = {(context, text) for context, text, _ in gather()}
    left = [(message.context, first(message)) for message in load(language) if message.id]
    assert [key for key in left if key not in said] == [], "run tools/words.py"


@pytest.mark.parametrize("language", SPOKEN)
def test_translations_keep_their_placeholders(language: str) -> None:
    for message in load(language):
        if not message.id:
            continue
        english = [message.id] if isinstance(message.id, str) else list(message.id)
        said = message.string or ""
        forms = [said] if isinstance(said, str) else list(said)
        for number, text in enumerate(forms):
            # A form for one may leave the number out where the English does; the only form of a language may not.
            alike = english[0] if number == 0 and len(forms) > 1 else english[-1]
            wanted = sorted(FIELD.findall(alike))
            assert sorted(FIELD.findall(text)) in (wanted, sorted(FIELD.findall(english[-1]))), message.id
            text.format(**{name[1:-1]: "x" for name in FIELD.findall(english[-1])})


def first(message: Message) -> str:
    return message.id if isinstance(message.id, str) else message.id[0]


def test_the_gathering_sees_code_pages_data_and_help() -> None:
    texts = {(context, text) for context, text, _ in gather()}
    assert (None, "Act today") in texts  # said in code
    assert (None, "What to keep") in texts  # said in a template only
    assert (None, "Asking for secrecy") in texts  # a tactic's title
    assert (None, "Help for children and families") in texts  # a helpline
    assert (None, "Also write a report for reading and printing.") in texts  # an option's help
    assert (None, "WhatsApp chat export") in texts  # a source's title
    assert (FOUND, "is not a time zone") in texts  # an error


@pytest.mark.parametrize(
    ("code", "gathered"),
    [
        ('Problem(where=w, what="has no time: left out")', ["has no time: left out"]),
        ('Problem(where=w, what=f"ends at {a.number}: {error!r}")', ["ends at {number}: {error}"]),
        ('Problem(where=w, what=f"{error.what} ({error.remedy})")', []),
        ('UnreadableInput(f"{n:,} of {n:,} lost", where=w, remedy="try again")', ["{n} of {n2} lost", "try again"]),
        ('raise ValueError("for developers only")', []),
        ('self._problem(path, "is a link: not followed")', ["is a link: not followed"]),
        ('what = "is empty" if size == 0 else f"is no {kind}"', ["is empty", "is no {kind}"]),
        ('def f(x):\n    return x, "a reason", f"read as {x} here"', ["read as {x} here"]),
        ('def f(a, misfits="those are left out"): ...', ["those are left out"]),
        ('what = "deleted"', []),
    ],
)
def test_what_is_found_is_gathered_from_where_it_is_written(code: str, gathered: list[str]) -> None:
    assert [text for _, text, _ in _found(ast.parse(code))] == gathered


def test_every_problem_is_written_where_the_gathering_sees_it() -> None:
    """Not `Problem(what=reason)`: a text that comes from elsewhere would silently stay English."""
    for path in sorted((LOCALE.parent / "sources").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
                what = next(keyword.value for keyword in node.keywords if keyword.arg == "what")
                seen = isinstance(what, ast.Constant | ast.JoinedStr | ast.IfExp)
                passed_on = isinstance(what, ast.Name | ast.Attribute) and ast.unparse(what).split(".")[-1] in NAMED
                assert seen or passed_on, f"{path.name}:{node.lineno}: {ast.unparse(what)}"


def test_malay_is_spoken_and_english_is_the_fallback() -> None:
    assert words("ms")("Act today") == "Bertindak hari ini"
    assert words("zh")("Act today") == "今天就要行动"
    assert words("zh")("no such text") == "no such text"


@pytest.fixture
def say() -> Words:
    """A language of our own making, so that these tests do not hang on what sources happen to say."""
    found = {
        "is a folder": "IST ORDNER",
        "has no time: left out": "OHNE ZEIT",
        "breaks off at line {line}: {error}": "BRICHT AB IN {line}: {error}",
        "cannot be read: {what}": "UNLESBAR: {what}",
        "Permission denied": "VERBOTEN",
        "make it first": "MACHEN",
        "choose one of {known}": "WÄHLEN: {known}",
        "is no message: {error}": "KEINE: {error}",
        "is no message: {error} (see {page})": "KEINE: {error} (SIEHE {page})",
        "line {number}": "ZEILE {number}",
    }

    class Catalog(gettext.NullTranslations):
        _catalog = {f"{FOUND}\x04{text}": said for text, said in found.items()}

        def pgettext(self, context: str, message: str) -> str:
            return self._catalog.get(f"{context}\x04{message}", message)

    return Words("xx", Catalog())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("has no time: left out", "OHNE ZEIT"),
        ("breaks off at line 7: field {larger}", "BRICHT AB IN 7: field {larger}"),
        ("cannot be read: Permission denied", "UNLESBAR: VERBOTEN"),
        ("is a folder (make it first)", "IST ORDNER (MACHEN)"),
        (
            "is a folder (choose one of ms (Bahasa Malaysia), en (English))",
            "IST ORDNER (WÄHLEN: ms (Bahasa Malaysia), en (English))",
        ),
        ("is no message: x (see docs/a.md)", "KEINE: x (SIEHE docs/a.md)"),
        ("is no message: x", "KEINE: x"),
        ("a text (that) nobody knows", "a text (that) nobody knows"),
        ("breaks off at line : ", "breaks off at line : "),
        ("", ""),
    ],
)
def test_a_found_text_is_recognised(say: Words, text: str, said: str) -> None:
    assert say.found(text) == said
    assert words("en").found(text) == text


def test_the_place_in_a_file_is_said_and_its_name_is_not(say: Words) -> None:
    assert say.place("line 3.txt: line 12") == "line 3.txt: ZEILE 12"
    assert say.place("chat.json: messages[3]") == "chat.json: messages[3]"
    assert say.place("line 3") == "line 3"


def test_a_hostile_field_costs_no_more_than_its_length(say: Words) -> None:
    # Each piece looks like a separator of the template, or like the beginning of a remedy.
    for hostile in ("breaks off at line " + ": " * 200_000 + "x", "x" + " (y)" * 200_000, "cannot be read" * 50_000):
        assert say.found(hostile).endswith(hostile[-10:])


def test_brackets_are_those_of_the_language() -> None:
    assert words("zh").found("is a folder (make it first)") == "是文件夹（请先建立）"


def test_what_the_sources_really_say_is_recognised() -> None:
    """Every problem of an unreadable folder of files comes out in Malay, not only what the gathering believes is said."""
    from pathlib import Path
    from tempfile import TemporaryDirectory
    from zoneinfo import ZoneInfo

    from jaga.sources import Context, read_path

    files = {
        "chat.jsonl": b'{"conversation": "c"}\n',
        "_chat.txt": b"01/02/2024, 21:05 - Ali: hi\n02/03/2024, 21:05 - Ali: hi\n",
        "chat.csv": b"conversation,author,time,text\nc,a,not a time,hi\n",
        "mail.mbox": b"From a@example.com Mon Jan  1 00:00:00 2024\n\n\xff\n",
        "empty.txt": b"",
        "damaged.zip": b"PK\x03\x04 nothing more",
        "backup.xml": b'<?xml version="1.0"?>\n<smses count="1"><sms address="1" date="x" type="1" body="hi" /></sms',
        "result.json": b'{"name": "x", "type": "personal_chat", "id": 1, "messages": [{"id": 1, "type": "message"',
    }
    context = Context(zone=ZoneInfo("Asia/Kuala_Lumpur"), zone_name="Asia/Kuala_Lumpur")
    say = words("ms")
    heard: set[str] = set()
    with TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.write_bytes(content)
            heard.update(record.what for record in read_path(path, context) if isinstance(record, Problem))
    assert len(heard) >= 6
    assert [text for text in sorted(heard) if say.found(text) == text] == []


def test_the_language_asked_for_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_language("ms-MY") == "ms"
    with pytest.raises(KeyError):
        choose_language("xx")
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    assert choose_language() == "en"
    monkeypatch.setenv("JAGA_LANG", "ta")
    assert choose_language() == "ta"
    assert choose_language("zh") == "zh"


def test_a_remedy_behind_a_text_that_ends_with_a_field_is_said_too() -> None:
    """As when a disk is full: the error's own words come last, and the remedy in brackets behind them."""
    english = "cannot be written: No space left on device (free some space or choose another folder)"
    said = words("ms").found(english)
    assert said.startswith("tidak dapat ditulis: Tiada ruang lagi pada peranti (")
    assert "free some space" not in said
