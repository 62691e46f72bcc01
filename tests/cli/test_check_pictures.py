"""`jaga check --pictures`: a known picture in a chat is urgent, with what to do, and nothing of it is shown or named."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path

import pytest

from jaga.media.banks import Bank, BankStore, Item
from jaga.media.hashing import hash_files
from tests.cli.conftest import Run
from tests.media.pictures import photograph

NAME = "00000012-PHOTO-2026-03-25-10-00-05.jpg"
OTHER = "00000013-PHOTO-2026-03-25-10-00-09.jpg"
CHAT = (
    "[2026-03-25, 10:00:00] Ray: hi\n"
    "[2026-03-25, 10:00:02] Aina: hello\n"
    f"[2026-03-25, 10:00:05] Ray: \u200e<attached: {NAME}>\n"
    f"[2026-03-25, 10:00:09] Aina: \u200e<attached: {OTHER}>\n"
    "[2026-03-25, 10:01:00] Aina: \u200e<attached: 00000014-PHOTO-2026-03-25-10-01-00.jpg>\n"
)


def jpeg(name: str) -> bytes:
    with io.BytesIO() as raw:
        photograph(name).resize((240, 240)).save(raw, "JPEG")
        return raw.getvalue()


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JAGA_STORE", str(tmp_path / "nowhere"))
    path = tmp_path / "chat.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("_chat.txt", CHAT)
        archive.writestr(NAME, jpeg("astronaut"))
        archive.writestr(OTHER, jpeg("coffee"))
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A test bank that "knows" a harmless photograph, in another size and format than the one that was sent."""
    photograph("astronaut").save(tmp_path / "known.png")
    with BankStore(tmp_path / "store") as kept:
        kept.create(Bank(name="test"))
        (one,) = hash_files([tmp_path / "known.png"], ("pdq",))
        kept.add("test", [Item(hashes=(("pdq", one.looks[0].values[0].value),), name="what it shows", category="A1")])
    return tmp_path / "store"


def test_a_known_picture_is_urgent_and_nothing_of_it_is_shown(jaga: Run, export: Path, store: Path) -> None:
    page = export.with_name("report.html")
    options = (export, "--child", "Aina", "--pictures", "--store", store, "--lang", "en", "--zone", "Asia/Kuala_Lumpur")
    done = jaga("check", *options, "--html", page)
    assert done.code == 11
    screen = " ".join(done.out.replace("│", " ").split())
    for told in (
        "Act today",
        "2 pictures and videos were looked at, 1 known, 0 look like nudity, 1 is not in the export",
        "(a picture or video; not shown)",
        "Do not open the picture, and do not copy, forward, print or show it to anyone",
        "Do not delete it either",
        "Keep the device as it is",
        "Talian Kasih",
        "A rule for pictures gave this level",
    ):
        assert told in screen
    html = page.read_text(encoding="utf-8")
    assert "2 pictures and videos were looked at, 1 known" in html
    assert "(a picture or video; not shown)" in html
    assert "Keep the device as it is" in html
    again = jaga("check", *options, "--json")
    assert again.code == 11
    document = json.loads(again.out)
    assert document["pictures"] == {
        "looked": 2, "known": 1, "sensitive": 0, "absent": 1, "unread": 0, "compared": True, "judged": True,
    }  # fmt: skip
    assert document["unjudged"] == {"image": 1}
    (ray,) = document["relationships"]
    assert (ray["level"], ray["risk_type"]) == ("urgent", "known_image")
    assert [(item["tactic"], item["by"]) for item in ray["tactics"]] == [("known_image", "contact")]
    assert ray["explanation"]["by_picture"] is True
    for output in (done.out, done.err, html, again.out, again.err):
        for hidden in (NAME, OTHER, "what it shows", "A1", base64.b64encode(jpeg("astronaut")[:60]).decode()[:40]):
            assert hidden not in output
        assert jpeg("astronaut")[:40].hex() not in output
        assert "<img" not in output


def test_sent_by_the_child_it_is_told_as_help(jaga: Run, export: Path, store: Path) -> None:
    done = jaga("check", export, "--child", "Ray", "--pictures", "--store", store, "--lang", "en")
    assert done.code == 11
    screen = " ".join(done.out.replace("│", " ").split())
    assert "In the child's own messages: a picture from a list of known abuse pictures." in screen
    assert "they need help and not blame" in screen


def test_without_being_asked_no_picture_is_looked_at(jaga: Run, export: Path, store: Path) -> None:
    done = jaga("check", export, "--child", "Aina", "--json")
    assert done.code == 0
    document = json.loads(done.out)
    assert document["pictures"] is None
    assert document["unjudged"] == {"image": 3}
    wrong = jaga("check", export, "--store", store, "--lang", "en")
    assert wrong.code == 2
    assert "say --pictures too" in wrong.err


def test_a_store_that_is_named_must_be_there_and_the_usual_one_need_not(jaga: Run, export: Path) -> None:
    missing = jaga("check", export, "--pictures", "--store", export.with_name("none"), "--lang", "en")
    assert missing.code == 2
    assert not export.with_name("none").exists()
    done = jaga("check", export, "--child", "Aina", "--pictures", "--lang", "en")
    assert done.code == 0
    assert "no list to compare with" in " ".join(done.out.split())
    assert not export.with_name("nowhere").exists()


def test_with_neither_banks_nor_a_judge_it_says_so(jaga: Run, export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jaga.media.judging.picture_judge", lambda: None)
    done = jaga("check", export, "--child", "Aina", "--pictures", "--lang", "en")
    assert done.code == 2
    assert "jaga[pictures]" in done.err
