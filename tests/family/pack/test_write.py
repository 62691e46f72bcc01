"""Packs are written whole or not at all, the same each time, and hold no more than they may."""

from __future__ import annotations

import errno
import io
import json
import os
import stat
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jaga.errors import DataNeeded, StoreError, UsageError
from jaga.family.pack import (
    AttachmentRef,
    OriginalFile,
    Quote,
    new_signing_key,
    pack_bytes,
    signing_key_from,
    signing_key_to,
    verify_pack,
    with_context,
    write_pack,
)
from jaga.family.pack import _pdf as pdf
from jaga.family.pack import _typeset as typesetting
from jaga.family.pack._box import NAMES, boxed
from jaga.records import Account
from tests.family.pack.samples import KEY, LINES, NOW, TALK, content, talk

MARK = "5647 5aa7 5463 474c 0285 df5d bf2b cab7"


def members(raw: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(raw)) as box:
        return {name: box.read(name) for name in box.namelist()}


def made(**options: Any) -> dict[str, bytes]:
    return members(pack_bytes(content(**options), signing_key=KEY, now=NOW, isolated=False)[0])


def test_the_same_content_gives_the_same_bytes() -> None:
    first, second = (pack_bytes(content("ta"), signing_key=KEY, now=NOW, isolated=False)[0] for _ in range(2))
    assert first == second
    later, _ = pack_bytes(content("ta"), signing_key=KEY, now=NOW + timedelta(minutes=1), isolated=False)
    assert later != first


def test_the_box_is_the_same_on_every_version_of_python() -> None:
    """`jaga verify` builds it again: should another Python write zips otherwise, whole packs would be called packed anew."""
    from hashlib import sha256

    box = boxed({"manifest.json": b"{}", "README.txt": b"read me"})
    assert sha256(box).hexdigest() == "0abbb2a89596b87d9da00557e95c910845208d90d7a362d98992ddad465650c6"


def test_a_pack_lands_in_a_folder_under_a_name_that_tells_nothing(tmp_path: Path) -> None:
    written = write_pack(content(), tmp_path, signing_key=KEY, now=NOW, isolated=False)
    assert written.path.parent == tmp_path
    assert written.path.name.startswith("jaga-evidence-20261125-063000-")
    assert "Aina" not in written.path.name
    assert [path.name for path in tmp_path.iterdir()] == [written.path.name]
    assert verify_pack(written.path, expected=written.fingerprint).ok
    assert written.without_pdf is None
    if os.name == "posix":
        assert stat.S_IMODE(written.path.stat().st_mode) == 0o600


def test_a_pack_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "pack.zip"
    path.write_bytes(b"an earlier one")
    with pytest.raises(UsageError, match="is there already"):
        write_pack(content(), path, signing_key=KEY, now=NOW, isolated=False)
    assert path.read_bytes() == b"an earlier one"


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_a_full_disk_leaves_nothing_half_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, fails, full)
    with pytest.raises(StoreError, match=r"pack\.zip: cannot be written: No space left on device"):
        write_pack(content(), tmp_path / "pack.zip", signing_key=KEY, now=NOW, isolated=False)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        write_pack(content(), tmp_path / "none" / "pack.zip", signing_key=KEY, now=NOW, isolated=False)


@pytest.mark.parametrize(
    ("family", "said"),
    [(None, "install jaga\\[pack\\]"), ("Noto Sans Tamil", "the font Noto Sans Tamil .*fonts-noto-core")],
)
def test_without_what_a_pdf_needs_the_rest_is_made_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str | None, said: str
) -> None:
    def missing() -> None:
        raise typesetting.Missing(family)

    monkeypatch.setattr(typesetting, "fonts", missing)
    written = write_pack(content(), tmp_path / "pack.zip", signing_key=KEY, now=NOW, isolated=False)
    with pytest.raises(DataNeeded, match=said):
        raise written.without_pdf or AssertionError
    assert verify_pack(written.path).ok
    files = members(written.path.read_bytes())
    assert set(files) == set(NAMES) - {"report.pdf", "certificate-s90a.pdf"}
    assert b"Begin with report.html" in files["README.txt"]


def test_a_process_of_its_own_gives_the_same_bytes() -> None:
    apart, without_pdf = pack_bytes(content("ta"), signing_key=KEY, now=NOW)
    assert without_pdf is None
    assert apart == pack_bytes(content("ta"), signing_key=KEY, now=NOW, isolated=False)[0]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("import os; os.abort()", "could not be set"),
        ("print('not a PDF')", "could not be set"),
        ("import sys; sys.stderr.write('Noto Sans'); sys.exit(3)", "needs the font Noto Sans "),
        ("import sys; sys.exit(3)", "more than this install has"),
        ("import time; time.sleep(60)", "could not be set"),
    ],
    ids=["dies", "says something else", "a font", "typst", "never ends"],
)
def test_the_process_may_die_and_the_rest_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    (tmp_path / "worker.py").write_text(script)
    monkeypatch.setattr(typesetting, "__file__", str(tmp_path / "worker.py"))
    monkeypatch.setattr(pdf, "_PATIENCE_S", 2)
    raw, without_pdf = pack_bytes(content(), signing_key=KEY, now=NOW)
    with pytest.raises(DataNeeded, match=said):
        raise without_pdf or AssertionError
    assert "report.html" in members(raw)


def test_a_key_comes_back_from_its_bytes() -> None:
    key = new_signing_key()
    assert signing_key_to(signing_key_from(signing_key_to(key))) == signing_key_to(key)
    with pytest.raises(StoreError, match="is damaged"):
        signing_key_from(b"short")


def test_the_manifest_says_where_every_message_stands_and_in_which_original() -> None:
    files = made()
    manifest = json.loads(files["manifest.json"])
    assert manifest["originals"][0]["name"] == "WhatsApp Chat with KingRay.txt"
    assert manifest["key"]["fingerprint"] == MARK
    assert set(manifest["versions"]) >= {"jaga", "python", "typst", "cryptography"}
    assert manifest["audit"]["head"] == "b2" * 32
    assert [line["what"] for line in manifest["audit"]["lines"]] == ["alert.seen", "pack.made"]
    quoted = manifest["messages"]
    assert len(quoted) == len(json.loads(files["report.json"])["messages"])
    assert all(one["source"]["sha256"] == manifest["originals"][0]["sha256"] for one in quoted)
    lines = {one["source"]["where"] for one in quoted}
    assert "line 10" in lines
    # One way to write it, and one only.
    assert (
        files["manifest.json"]
        == json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    )


def test_the_report_holds_the_exact_words_and_none_that_are_not_quoted() -> None:
    lines = [*((("Aina", f"makan nasi lemak {number}")) for number in range(9)), *LINES]
    report = json.loads(made(lines=lines)["report.json"])
    texts = [one["text"] for one in report["messages"]]
    assert "This is our secret, don't tell your mum or dad about me ok" in texts
    everything = b"".join(made(lines=lines).values()).decode("utf-8", "replace")
    for number in range(7):
        assert f"nasi lemak {number}" not in everything


def test_evidence_that_is_not_quoted_is_not_named_either() -> None:
    one = content()
    fewer = msgspec.structs.replace(one, quotes=tuple(quote for quote in one.quotes if not quote.context)[:1])
    report = json.loads(members(pack_bytes(fewer, signing_key=KEY, now=NOW, isolated=False)[0])["report.json"])
    (shown,) = (quoted["message"] for quoted in report["messages"])
    named = {piece["message"] for tactic in report["assessment"]["tactics"] for piece in tactic["evidence"]}
    assert named <= {shown}
    assert sum(tactic["count"] for tactic in report["assessment"]["tactics"]) > 5


def test_more_context_than_two_lines_is_refused() -> None:
    one = content(every=True)
    message = one.quotes[0].message
    later = [msgspec.structs.replace(message, text=f"{n}", sent_at=NOW + timedelta(minutes=n)) for n in range(3)]
    for extra in (later[:2], later):
        quotes = (*one.quotes, *(Quote(message=each, context=True) for each in extra))
        longer = msgspec.structs.replace(one, quotes=quotes)
        if len(extra) == 2:
            pack_bytes(longer, signing_key=KEY, now=NOW, isolated=False)
        else:
            with pytest.raises(ValueError, match="at most 2 lines"):
                pack_bytes(longer, signing_key=KEY, now=NOW, isolated=False)
    elsewhere = Quote(message=msgspec.structs.replace(message, conversation="0" * 32), context=True)
    with pytest.raises(ValueError, match="only around a quoted message"):
        pack_bytes(
            msgspec.structs.replace(one, quotes=(*one.quotes, elsewhere)), signing_key=KEY, now=NOW, isolated=False
        )


@pytest.mark.parametrize(
    "change",
    [
        {"language": "fr"},
        {"originals": (OriginalFile(name="x", sha256="ABC", size_bytes=1),)},
        {"attachments": (AttachmentRef(kind="image", sha256="x" * 64),)},
    ],
)
def test_what_is_no_hash_or_language_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="is no "):
        pack_bytes(msgspec.structs.replace(content(), **change), signing_key=KEY, now=NOW, isolated=False)
    with pytest.raises(ValueError, match="without a zone"):
        pack_bytes(content(), signing_key=KEY, now=datetime(2026, 1, 1), isolated=False)


def test_context_is_two_lines_each_side_and_no_more() -> None:
    messages = talk([("Aina", str(number)) for number in range(20)])
    shown = {messages[5].id, messages[8].id, messages[16].id}
    quotes = with_context(((one, None) for one in messages), shown)
    assert [(quote.message.text, quote.context) for quote in quotes] == [
        *((str(number), number not in (5, 8)) for number in range(3, 11)),
        *((str(number), number != 16) for number in range(14, 19)),
    ]
    bare = with_context(((one, None) for one in messages), shown, context=False)
    assert [quote.message.text for quote in bare] == ["5", "8", "16"]
    pack_bytes(msgspec.structs.replace(content(), quotes=quotes), signing_key=KEY, now=NOW, isolated=False)


def test_other_people_in_a_group_have_a_number_and_no_name() -> None:
    lines = [("Aina", "hi"), ("Best Friend Mei", "hello all"), *LINES[1:]]
    files = made(lines=lines, every=True)
    everything = b"".join(files[name] for name in files if not name.endswith(".pdf")).decode("utf-8", "replace")
    assert "another person 1" in everything
    assert "Best Friend Mei" not in everything


def test_a_pack_for_elsewhere_has_no_malaysian_certificate() -> None:
    raw, _ = pack_bytes(msgspec.structs.replace(content(), country=None), signing_key=KEY, now=NOW, isolated=False)
    assert not [name for name in members(raw) if name.startswith("certificate")]
    assert b"90A" not in members(raw)["README.txt"]


def test_a_pack_without_messages_is_made_and_says_so() -> None:
    empty = msgspec.structs.replace(content(), quotes=(), originals=(), attachments=(), audit=(), audit_head=None)
    files = members(pack_bytes(empty, signing_key=KEY, now=NOW, isolated=False)[0])
    assert "none is kept any more" in files["report.html"].decode()


@pytest.mark.parametrize("language", ["ms", "en", "zh", "ta"])
def test_the_read_me_speaks_the_language_of_the_pack_malay_and_english(language: str) -> None:
    told = made(language=language)["README.txt"].decode()
    titles = [line.strip("= ") for line in told.splitlines() if line.startswith("=====")]
    own = {"ms": "Bahasa Malaysia", "en": "English", "zh": "中文", "ta": "தமிழ்"}[language]
    assert titles == list(dict.fromkeys([own, "Bahasa Malaysia", "English"]))
    assert "do not open, copy, print or forward" in told
    # A key compared with what came with the pack is always the expected one.
    assert f'--key "{MARK}' not in told
    assert MARK in told


def test_half_of_a_pair_and_zeros_do_not_break_a_pack() -> None:
    lines = [*LINES, ("KingRay", "a\ud83d b\x00c\udc00"), ("KingRay", "\x00")]
    named = msgspec.structs.replace(
        content(lines=lines, every=True, name="King\ud83d\x00Ray"),
        child_name="Ai\udc00na",
        contact_accounts=(Account(id="King\ud800", platform="what\ud800", name="\x00"),),
    )
    raw, without_pdf = pack_bytes(named, signing_key=KEY, now=NOW, isolated=False)
    assert without_pdf is None
    report = json.loads(members(raw)["report.json"])
    assert [one["text"] for one in report["messages"]][-2:] == ["a� b\x00c�", "\x00"]
    assert "a[U+D83D] b[U+0000]c[U+DC00]" in members(raw)["report.html"].decode()
    assert TALK in {one["conversation"] for one in report["messages"]}
