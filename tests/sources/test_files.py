"""Attachments are found where exports say they lie, never outside of what was given, and opened again."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from jaga.records import Attachment, Message
from jaga.sources import Context, Files, gather, read_path
from jaga.sources._files import locate
from jaga.sources._tree import Entry, Tree

CONTEXT = Context(zone=ZoneInfo("Asia/Kuala_Lumpur"), zone_name="Asia/Kuala_Lumpur")
CHAT = (
    "[2026-03-25, 10:00:00] Ray: hi\n"
    "[2026-03-25, 10:00:05] Ray: \u200e<attached: 00000012-PHOTO-2026-03-25-10-00-05.jpg>\n"
    "[2026-03-25, 10:00:09] Aina: \u200e<attached: 00000013-PHOTO-2026-03-25-10-00-09.jpg>\n"
)
FIRST, SECOND = "00000012-PHOTO-2026-03-25-10-00-05.jpg", "00000013-PHOTO-2026-03-25-10-00-09.jpg"


def packed(**members: bytes) -> bytes:
    with io.BytesIO() as raw:
        with zipfile.ZipFile(raw, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return raw.getvalue()


def attached(path: Path) -> list[Attachment]:
    return [one for item in read_path(path, CONTEXT) if isinstance(item, Message) for one in item.attachments]


@pytest.mark.parametrize("form", ["zip", "folder", "zip in a zip", "zip in a folder"])
def test_found_and_opened_again(tmp_path: Path, form: str) -> None:
    export = {"_chat.txt": CHAT.encode(), FIRST: b"\xff\xd8\xff first"}
    path = tmp_path / "export"
    if form == "folder":
        path.mkdir()
        for name, content in export.items():
            (path / name).write_bytes(content)
    elif form == "zip":
        path.write_bytes(packed(**export))
    elif form == "zip in a zip":
        path.write_bytes(packed(**{"WhatsApp Chat.zip": packed(**export)}))
    else:
        path.mkdir()
        (path / "WhatsApp Chat.zip").write_bytes(packed(**export))
    first, second = attached(path)
    assert first.found is not None
    assert first.found.startswith(str(path))
    assert first.found.endswith(FIRST)
    # It is not part of what was given.
    assert (second.path, second.found) == (SECOND, None)
    with Files([tmp_path / "other", path]) as files:
        entry = files.get(first.found)
        assert entry is not None
        with entry.open_raw() as stream:
            assert stream.read() == b"\xff\xd8\xff first"
        assert (entry.on_disk is not None) == (form == "folder")
        assert files.get(first.found + "x") is None
        assert files.get("/etc/passwd") is None
        assert files.get(f"{path}/../{path.name}/{FIRST}") is None
    # In a process of its own it is the same.
    isolated = gather([path], CONTEXT)
    assert [one.found for message in isolated.messages() for one in message.attachments] == [first.found, None]


class _Held(Tree):
    def __init__(self, *paths: str) -> None:
        super().__init__("in")
        self.entries = {path: Entry(self, path, 1) for path in paths}


HELD = _Held(
    "export/messages/inbox/ray/message_1.json",
    "export/messages/inbox/ray/photos/1.jpg",
    "export/media/posts/2.jpg",
    "export/media/a b.jpg",
    "export/x/3.jpg",
    "export/y/3.jpg",
)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("photos/1.jpg", "export/messages/inbox/ray/photos/1.jpg"),
        ("./photos/1.jpg", "export/messages/inbox/ray/photos/1.jpg"),
        ("messages/inbox/ray/photos/1.jpg", "export/messages/inbox/ray/photos/1.jpg"),
        ("media/posts/2.jpg", "export/media/posts/2.jpg"),
        ("../../../media/posts/2.jpg", "export/media/posts/2.jpg"),
        ("media\\posts\\2.jpg", "export/media/posts/2.jpg"),
        ("media/a%20b.jpg", "export/media/a b.jpg"),
        ("/storage/emulated/0/WhatsApp/2.jpg", "export/media/posts/2.jpg"),
        ("somewhere/else/2.JPG", "export/media/posts/2.jpg"),
        ("3.jpg", None),
        ("x/3.jpg", "export/x/3.jpg"),
        ("https://example.org/2.jpg", None),
        ("message_1.json", None),
        ("", None),
        ("2.jpg\0", None),
        ("../" * 3000 + "2.jpg", None),
        ("../../../../../../../../etc/passwd", None),
    ],
)
def test_where_an_export_says_a_file_lies(path: str, found: str | None) -> None:
    from datetime import UTC, datetime

    message = Message(
        conversation="c",
        author="a",
        sent_at=datetime(2026, 1, 1, tzinfo=UTC),
        text="",
        platform="p",
        attachments=(Attachment(kind="image", path=path), Attachment(kind="link", path="2.jpg")),
    )
    one, link = locate(message, HELD.entries["export/messages/inbox/ray/message_1.json"]).attachments
    assert one.found == (None if found is None else f"in/{found}")
    assert link.found is None


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.jpg").write_bytes(b"\xff\xd8\xff secret")
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "_chat.txt").write_text(CHAT, encoding="utf-8")
    (folder / FIRST).symlink_to(tmp_path / "secret.jpg")
    (folder / "more.json").write_text(json.dumps({}))
    assert [one.found for one in attached(folder)] == [None, None]
