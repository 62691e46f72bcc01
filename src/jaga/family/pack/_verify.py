"""Checking a pack, on any machine: needs no store, no passphrase and no network.

The file comes from anywhere, so it is treated as hostile: limits on size and number, no path is followed, nothing is unpacked to disk.
"""

from __future__ import annotations

import io
import os
import re
import stat
import struct
import zipfile
import zlib
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec

from jaga.errors import UnreadableInput
from jaga.family.pack._box import KEY, MANIFEST, SIGNATURE, boxed
from jaga.family.pack._key import fingerprint, is_signed, public_bytes, public_key_of, read_fingerprint

__all__ = ["Finding", "SignedOriginal", "Verdict", "Verification", "is_original", "verify_pack"]

# whole: as it was signed, to the last byte. repacked: every file is as it was signed, but the zip around them was made anew.
# changed: something is not as it was signed, or was not signed by the expected key. unreadable: no pack.
Verdict = Literal["whole", "repacked", "changed", "unreadable"]
Code = Literal[
    "unreadable",
    "signature",
    "key",
    "manifest",
    "changed",
    "missing",
    "added",
    "twice",
    "name",
    "link",
    "limit",
    "container",
]

# Packs of the largest relationships measured are below 2 MB.
_MOST_BYTES = 64 * 1024 * 1024
_MOST_FILES = 64
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}")
# What reading a damaged or hostile zip raises.
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    UnicodeDecodeError,
    ValueError,
    OSError,
)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it should be. `what` is English, to be said through `Words.found`."""

    code: Code
    # The file in the pack; None if it is about the pack as a whole.
    name: str | None
    what: str


class SignedOriginal(msgspec.Struct, frozen=True, kw_only=True):
    """An original file, as the signed manifest names it."""

    name: str
    sha256: str
    size_bytes: int
    kept_where: str | None = None


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What checking a pack found."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    # Of the key in the pack, once its signature was found right; else None.
    fingerprint: str | None = None
    # True if that is the expected one, None if none was expected.
    key_expected: bool | None = None
    # As the pack says: the clock of the computer that made it.
    created_at: datetime | None = None
    generator: str | None = None
    files: tuple[str, ...] = ()
    originals: tuple[SignedOriginal, ...] = ()

    @property
    def ok(self) -> bool:
        """True if nothing at all was found."""
        return self.verdict == "whole"


class _Key(msgspec.Struct, frozen=True):
    algorithm: str
    public: str


class _File(msgspec.Struct, frozen=True):
    name: str
    size_bytes: int
    sha256: str


class _Manifest(msgspec.Struct, frozen=True):
    kind: Literal["jaga-evidence-pack"]
    schema: Literal[1]
    generator: str
    created_at: datetime
    key: _Key
    files: tuple[_File, ...]
    originals: tuple[SignedOriginal, ...]


def verify_pack(path: Path, *, expected: str | None = None) -> Verification:
    """Check a pack: the .zip, or the folder it was unpacked to. `expected`: the fingerprint of the family's key, as somebody typed it.

    Raises: UnreadableInput, if nothing can be read there; UsageError, if `expected` is no fingerprint. All else is a finding.
    """
    wanted = None if expected is None else read_fingerprint(expected)
    findings: list[Finding] = []
    try:
        raw = None if path.is_dir() else _read(path)
        files = _from_folder(path, findings) if raw is None else _from_zip(raw, findings)
    except OSError as error:
        raise UnreadableInput(f"cannot be read: {error.strerror}", where=str(path)) from error
    if files is None:
        return Verification(verdict="unreadable", findings=tuple(findings))
    judged = _judge(files, wanted, findings)
    # Only of a pack that is right in every file does it say something that the zip around them is another.
    if raw is not None and not findings and boxed(files) != raw:
        findings.append(
            _problem(
                None,
                "the files are as they were signed, but the zip around them was packed anew, or bytes outside the files were changed",
                "container",
            )
        )
    codes = {finding.code for finding in findings}
    verdict: Verdict = "whole" if not codes else "repacked" if codes == {"container"} else "changed"
    return msgspec.structs.replace(judged, verdict=verdict, findings=tuple(findings))


def is_original(path: Path, verification: Verification) -> SignedOriginal | None:
    """The original of the pack that this file is, by its SHA-256; None if it is none of them. Raises: UnreadableInput."""
    hasher = sha256()
    try:
        with path.open("rb") as stream:
            while piece := stream.read(1 << 20):
                hasher.update(piece)
    except OSError as error:
        raise UnreadableInput(f"cannot be read: {error.strerror}", where=str(path)) from error
    digest = hasher.hexdigest()
    return next((one for one in verification.originals if one.sha256 == digest), None)


def _problem(name: str | None, what: str, code: Code) -> Finding:
    return Finding(code=code, name=name, what=what)


def _read(path: Path) -> bytes:
    """Whole; of a file that is too large only enough to see that it is."""
    # A pipe would let us wait for ever.
    if not stat.S_ISREG(path.stat().st_mode):
        raise UnreadableInput("is neither a file nor a folder", where=str(path))
    with path.open("rb") as stream:
        return stream.read(_MOST_BYTES + 1)


def _from_zip(raw: bytes, findings: list[Finding]) -> dict[str, bytes] | None:
    if len(raw) > _MOST_BYTES:
        findings.append(_problem(None, "is too large to be an evidence pack", "limit"))
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as box:
            infos = box.infolist()
            if len(infos) > _MOST_FILES:
                findings.append(_problem(None, "holds too many files to be an evidence pack", "limit"))
                return None
            return _members(box, infos, findings)
    except _BROKEN:
        findings.append(
            _problem(None, "is no zip that can be read: it is damaged, cut short or something else", "unreadable")
        )
        return None


def _members(box: zipfile.ZipFile, infos: list[zipfile.ZipInfo], findings: list[Finding]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    room = _MOST_BYTES
    for info in infos:
        name = info.filename
        if not _NAME.fullmatch(name):
            findings.append(_problem(name, "is a name that no file of a pack has; it was not read", "name"))
        elif name in files:
            findings.append(_problem(name, "is in the zip twice", "twice"))
        elif stat.S_ISLNK(info.external_attr >> 16):
            findings.append(_problem(name, "is a link, not a file", "link"))
        elif info.file_size > room:
            findings.append(_problem(name, "is too large for an evidence pack; it was not read", "limit"))
        else:
            try:
                with box.open(info) as stream:
                    data = stream.read(room + 1)
            except _BROKEN:
                # Present, so that it is not called missing as well.
                files[name] = b""
                findings.append(_problem(name, "is damaged in the zip", "changed"))
                continue
            if len(data) > room:
                findings.append(_problem(name, "is too large for an evidence pack; it was not read", "limit"))
                continue
            room -= len(data)
            files[name] = data
    return files


def _from_folder(folder: Path, findings: list[Finding]) -> dict[str, bytes] | None:
    with os.scandir(folder) as entries:
        # One more than allowed is enough to know.
        names = sorted(entry.name for entry, _ in zip(entries, range(_MOST_FILES + 1), strict=False))
    if len(names) > _MOST_FILES:
        findings.append(_problem(None, "holds too many files to be an evidence pack", "limit"))
        return None
    if MANIFEST not in names:
        findings.append(_problem(None, "is no folder of an unpacked evidence pack", "unreadable"))
        return None
    files: dict[str, bytes] = {}
    room = _MOST_BYTES
    for name in names:
        path = folder / name
        state = path.lstat()
        if stat.S_ISLNK(state.st_mode):
            findings.append(_problem(name, "is a link, not a file", "link"))
        elif not stat.S_ISREG(state.st_mode) or not _NAME.fullmatch(name):
            findings.append(_problem(name, "is a name that no file of a pack has; it was not read", "name"))
        elif state.st_size > room:
            findings.append(_problem(name, "is too large for an evidence pack; it was not read", "limit"))
        else:
            files[name] = path.read_bytes()
            room -= len(files[name])
    return files


def _judge(files: dict[str, bytes], wanted: str | None, findings: list[Finding]) -> Verification:
    """What the files say of each other; adds to `findings`."""
    nothing = Verification(verdict="changed", findings=())
    lost = [name for name in (MANIFEST, SIGNATURE, KEY) if name not in files]
    if lost:
        findings += [_problem(name, "is missing, and without it nothing can be checked", "missing") for name in lost]
        return nothing
    key = public_key_of(files[KEY])
    if key is None:
        findings.append(_problem(KEY, "is no key that can be read", "signature"))
        return nothing
    if not is_signed(key, files[SIGNATURE], files[MANIFEST]):
        findings.append(
            _problem(MANIFEST, "does not fit its signature: it was changed, or signed with another key", "signature")
        )
        return nothing
    mark = fingerprint(public_bytes(key))
    try:
        manifest = msgspec.json.decode(files[MANIFEST], type=_Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError):
        # Signed, so somebody meant it so: another program's, or a later version's.
        findings.append(_problem(MANIFEST, "is no manifest of an evidence pack that this version knows", "manifest"))
        return nothing
    if manifest.key.public != public_bytes(key).hex():
        findings.append(_problem(MANIFEST, "names another key than the one it is signed with", "key"))
    listed = {one.name: one for one in manifest.files}
    for name, one in listed.items():
        data = files.get(name)
        if data is None:
            findings.append(_problem(name, "is missing", "missing"))
        elif len(data) != one.size_bytes or sha256(data).hexdigest() != one.sha256:
            findings.append(_problem(name, "was changed after the pack was signed", "changed"))
    for name in files:
        if name not in listed and name not in (MANIFEST, SIGNATURE):
            findings.append(_problem(name, "was added after the pack was signed", "added"))
    if wanted is not None and wanted != mark:
        findings.append(_problem(None, "is signed with another key than the one expected", "key"))
    return Verification(
        verdict="changed",
        findings=(),
        fingerprint=mark,
        key_expected=None if wanted is None else wanted == mark,
        created_at=manifest.created_at,
        generator=manifest.generator,
        files=tuple(sorted(files)),
        originals=manifest.originals,
    )
