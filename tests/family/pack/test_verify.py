"""A pack verifies elsewhere, and whatever is done to it is found."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaga.errors import UnreadableInput, UsageError
from jaga.family.pack import Verification, fingerprint, is_original, pack_bytes, public_bytes, verify_pack
from jaga.family.pack import _verify as verifying
from jaga.family.pack._box import NAMES, boxed
from tests.family.pack.samples import EXPORT, KEY, NOW, OTHER_KEY, content

MARK = fingerprint(public_bytes(KEY))


@cache
def pack() -> bytes:
    made, without_pdf = pack_bytes(content(), signing_key=KEY, now=NOW, isolated=False)
    assert without_pdf is None
    return made


@cache
def members() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(pack())) as box:
        return {name: box.read(name) for name in box.namelist()}


@pytest.fixture
def verified(tmp_path: Path) -> Callable[..., Verification]:
    def run(raw: bytes, **options: str) -> Verification:
        path = tmp_path / "pack.zip"
        path.write_bytes(raw)
        return verify_pack(path, **options)

    return run


Verify = Callable[..., Verification]


def codes(checked: Verification) -> set[str]:
    return {finding.code for finding in checked.findings}


def test_a_pack_is_whole_and_says_what_it_was_made_from(verified: Verify) -> None:
    checked = verified(pack())
    assert checked.ok
    assert checked.findings == ()
    assert checked.fingerprint == MARK
    assert checked.key_expected is None
    assert checked.created_at == NOW
    assert set(checked.files) == set(NAMES)
    assert [original.name for original in checked.originals] == ["WhatsApp Chat with KingRay.txt"]


@pytest.mark.parametrize("typed", [MARK, MARK.replace(" ", ""), MARK.upper().replace(" ", ":"), f" {MARK} "])
def test_the_expected_key_may_be_typed_as_people_type(verified: Verify, typed: str) -> None:
    checked = verified(pack(), expected=typed)
    assert checked.ok
    assert checked.key_expected is True


@pytest.mark.parametrize("typed", ["", "5647", MARK + " 00", MARK.replace("5", "x")])
def test_what_is_no_fingerprint_is_refused(verified: Verify, typed: str) -> None:
    with pytest.raises(UsageError, match="is not a fingerprint"):
        verified(pack(), expected=typed)


def test_a_pack_of_another_key_is_whole_but_not_the_expected_one(verified: Verify) -> None:
    forged, _ = pack_bytes(content(), signing_key=OTHER_KEY, now=NOW, isolated=False)
    assert verified(forged).ok
    checked = verified(forged, expected=MARK)
    assert checked.verdict == "changed"
    assert checked.key_expected is False
    assert codes(checked) == {"key"}


@given(st.data())
def test_any_changed_byte_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    raw = bytearray(pack())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("flip") / "pack.zip"
    path.write_bytes(raw)
    assert not verify_pack(path).ok


def test_any_changed_byte_outside_the_members_is_found(verified: Verify) -> None:
    """Every one of them: headers, names, times, the directory, the end."""
    whole = pack()
    inside: set[int] = set()
    with zipfile.ZipFile(io.BytesIO(whole)) as box:
        for info in box.infolist():
            start = info.header_offset + 30 + len(info.filename)
            inside.update(range(start, start + info.file_size))
    missed = []
    for at in sorted(set(range(len(whole))) - inside):
        raw = bytearray(whole)
        raw[at] ^= 0x01
        if verified(bytes(raw)).ok:
            missed.append(at)
    assert missed == []


@pytest.mark.parametrize("cut", [1, 22, 100, 5_000])
def test_a_pack_that_is_cut_or_goes_on_is_found(verified: Verify, cut: int) -> None:
    assert not verified(pack()[:-cut]).ok
    assert not verified(pack()[cut:]).ok
    assert not verified(pack() + bytes(cut)).ok
    assert not verified(bytes(cut) + pack()).ok


@pytest.mark.parametrize("name", NAMES)
def test_any_missing_file_is_found(verified: Verify, name: str) -> None:
    checked = verified(boxed({one: data for one, data in members().items() if one != name}))
    assert checked.verdict == "changed"
    assert [(one.code, one.name) for one in checked.findings] == [("missing", name)]


@pytest.mark.parametrize("name", NAMES)
def test_any_changed_file_is_found_and_named(verified: Verify, name: str) -> None:
    checked = verified(boxed({**members(), name: members()[name] + b" "}))
    assert checked.verdict == "changed"
    expected = ("signature", "manifest.json") if name.startswith("manifest") else ("changed", name)
    assert (checked.findings[0].code, checked.findings[0].name) == expected


def test_an_added_file_is_found(verified: Verify) -> None:
    checked = verified(boxed({**members(), "photo.jpg": b"x"}))
    assert [(one.code, one.name) for one in checked.findings] == [("added", "photo.jpg")]


def test_the_same_files_in_another_zip_are_told_apart_from_changed_ones(verified: Verify) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as box:
        for name, data in members().items():
            box.writestr(name, data)
    checked = verified(stream.getvalue())
    assert checked.verdict == "repacked"
    assert not checked.ok
    assert codes(checked) == {"container"}


def test_signing_a_changed_manifest_with_another_key_is_found_by_the_fingerprint(verified: Verify) -> None:
    from jaga.family.pack._key import public_pem

    manifest = msgspec.json.decode(members()["manifest.json"])
    manifest["generator"] = "jaga 99"
    raw = msgspec.json.encode(manifest, order="sorted")
    forged = {**members(), "manifest.json": raw, "manifest.sig": OTHER_KEY.sign(raw)}
    assert codes(verified(boxed(forged))) == {"signature"}
    forged["public-key.pem"] = public_pem(OTHER_KEY)
    # The manifest still names the first key, and the hash of the first key's file.
    assert codes(verified(boxed(forged))) == {"key", "changed"}


def test_a_manifest_of_another_kind_or_a_later_version_is_not_taken_for_right(verified: Verify) -> None:
    for changed in ({"schema": 2}, {"kind": "something else"}, {"files": None}):
        raw = msgspec.json.encode({**msgspec.json.decode(members()["manifest.json"]), **changed})
        checked = verified(boxed({**members(), "manifest.json": raw, "manifest.sig": KEY.sign(raw)}))
        assert codes(checked) == {"manifest"}


def zipped(*entries: tuple[zipfile.ZipInfo | str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as box:
        for entry, data in entries:
            box.writestr(entry, data)
    return stream.getvalue()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_file_that_is_there_twice_is_found(verified: Verify) -> None:
    checked = verified(zipped(*members().items(), ("report.json", b"{}")))
    assert ("twice", "report.json") in [(one.code, one.name) for one in checked.findings]


@pytest.mark.parametrize(
    "name",
    ["../report.json", "/etc/passwd", "a/b", "C:\\x", "con trol", ".hidden", "x" * 65, "na\u202eme", "report.json/"],
)
def test_a_name_that_leads_out_is_found_and_not_followed(verified: Verify, name: str) -> None:
    checked = verified(zipped(*members().items(), (name, b"")))
    assert codes(checked) == {"name"}


def test_a_link_is_found(verified: Verify) -> None:
    link = zipfile.ZipInfo("report.txt")
    link.create_system = 3
    link.external_attr = 0o120777 << 16
    checked = verified(zipped(*members().items(), (link, b"/etc/passwd")))
    assert codes(checked) == {"link"}


def test_a_bomb_is_not_blown_up(verified: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verifying, "_MOST_BYTES", 1 << 20)
    checked = verified(zipped(("bomb.txt", bytes(2 << 20)), compression=zipfile.ZIP_DEFLATED))
    assert "limit" in codes(checked)
    # A header that lies about the size: what comes out is counted, not what is promised.
    lying = bytearray(zipped(("bomb.txt", bytes(2 << 20)), compression=zipfile.ZIP_DEFLATED))
    for at in (lying.find(b"PK\x03\x04") + 22, lying.find(b"PK\x01\x02") + 24):
        lying[at : at + 4] = (10).to_bytes(4, "little")
    assert not verified(bytes(lying)).ok
    many = verified(zipped(*((f"f{number}", b"") for number in range(65))))
    assert (many.verdict, codes(many)) == ("unreadable", {"limit"})
    assert codes(verified(bytes(2 << 20))) == {"limit"}


@pytest.mark.parametrize("raw", [b"", b"PK\x05\x06", b"PK\x05\x06" + bytes(18), b"no zip at all", bytes(100)])
def test_what_is_no_pack_is_said_to_be_none(verified: Verify, raw: bytes) -> None:
    checked = verified(raw)
    assert not checked.ok
    assert checked.findings


@given(st.binary(max_size=400), st.integers(0, 400))
def test_rubbish_in_a_zip_never_raises(tmp_path_factory: pytest.TempPathFactory, rubbish: bytes, at: int) -> None:
    raw = bytearray(zipped(*((name, data[:40]) for name, data in members().items())))
    raw[at : at + len(rubbish)] = rubbish
    path = tmp_path_factory.mktemp("rubbish") / "pack.zip"
    path.write_bytes(raw)
    assert not verify_pack(path).ok


def unpacked(folder: Path) -> Path:
    folder.mkdir()
    for name, data in members().items():
        (folder / name).write_bytes(data)
    return folder


def test_an_unpacked_pack_is_checked_as_well(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "pack")
    assert verify_pack(folder, expected=MARK).ok
    (folder / "report.html").write_bytes(b"something else")
    (folder / "notes.txt").write_bytes(b"mine")
    (folder / "below").mkdir()
    found = {(one.code, one.name) for one in verify_pack(folder).findings}
    assert found == {("changed", "report.html"), ("added", "notes.txt"), ("name", "below")}


@pytest.mark.skipif(os.name != "posix", reason="links need a right on Windows")
def test_a_link_in_a_folder_is_not_followed(tmp_path: Path) -> None:
    folder = unpacked(tmp_path / "pack")
    (folder / "report.pdf").rename(tmp_path / "elsewhere.pdf")
    (folder / "report.pdf").symlink_to(tmp_path / "elsewhere.pdf")
    assert {one.code for one in verify_pack(folder).findings} == {"link", "missing"}


def test_what_is_not_there_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="No such file"):
        verify_pack(tmp_path / "nothing.zip")
    (tmp_path / "empty").mkdir()
    assert verify_pack(tmp_path / "empty").verdict == "unreadable"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableInput, match="neither a file nor a folder"):
        verify_pack(tmp_path / "pipe")


def test_an_original_is_known_by_its_hash(verified: Verify, tmp_path: Path) -> None:
    checked = verified(pack())
    (tmp_path / "renamed.txt").write_bytes(EXPORT)
    (tmp_path / "changed.txt").write_bytes(EXPORT + b"\n")
    original = is_original(tmp_path / "renamed.txt", checked)
    assert original is not None
    assert original.name == "WhatsApp Chat with KingRay.txt"
    assert is_original(tmp_path / "changed.txt", checked) is None


@pytest.mark.skipif(not shutil.which("openssl") or not shutil.which("sha256sum"), reason="no OpenSSL or sha256sum here")
def test_it_can_be_checked_without_jaga(tmp_path: Path) -> None:
    """The two commands that README.txt gives do what it says."""
    folder = unpacked(tmp_path / "pack")
    told = (folder / "README.txt").read_text(encoding="utf-8")
    signature, sums = (
        next(line.strip() for line in told.splitlines() if line.strip().startswith(begin))
        for begin in ("openssl ", "sha256sum ")
    )
    for command in (signature, sums):
        done = subprocess.run(command.split(), cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    (folder / "manifest.json").write_bytes(members()["manifest.json"] + b"\n")
    (folder / "report.json").write_bytes(b"{}")
    for command in (signature, sums):
        assert subprocess.run(command.split(), cwd=folder, capture_output=True, check=False).returncode != 0
