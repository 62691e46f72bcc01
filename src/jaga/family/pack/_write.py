"""Making a pack: the report in three forms, the certificate's template, the read-me file, the manifest and its signature."""

from __future__ import annotations

import platform
from datetime import datetime, timezone
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from jaga import __version__
from jaga.errors import DataNeeded, StoreError, UsageError
from jaga.family.pack._blocks import Document
from jaga.family.pack._box import CERTIFICATE, KEY, MANIFEST, README, REPORT, SIGNATURE, SUMS, boxed
from jaga.family.pack._certificate import CERTIFIED_COUNTRIES, as_certificate
from jaga.family.pack._content import PackContent, checked
from jaga.family.pack._html import as_html
from jaga.family.pack._key import Ed25519PrivateKey, fingerprint, public_bytes, public_pem
from jaga.family.pack._pdf import as_pdf
from jaga.family.pack._readme import readme
from jaga.family.pack._report import as_document, as_record, exact, originals_record, sources_record
from jaga.files import whole_file

__all__ = ["KIND", "Written", "pack_bytes", "write_pack"]

KIND = "jaga-evidence-pack"


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A pack that was made."""

    path: Path
    # Of the whole file, hex.
    sha256: str
    # Of the key that signed it: what the receiver compares.
    fingerprint: str
    # Why there is no PDF in it; None if there is. The page (HTML) then says the same.
    without_pdf: DataNeeded | None = None


def write_pack(
    content: PackContent, path: Path, *, signing_key: Ed25519PrivateKey, now: datetime, isolated: bool = True
) -> Written:
    """Make a pack and put it at `path`, a folder or the name of a .zip; it is there whole or not at all, for its owner only.

    `now`: with a zone. `isolated`: PDFs are set in a process of their own. Raises: ValueError, if `content` holds more than a pack may; UsageError, if there is something at `path` already;
    StoreError, if it cannot be written. Without what a PDF needs the pack is made all the same (`Written.without_pdf`).
    """
    made, without_pdf = pack_bytes(content, signing_key=signing_key, now=now, isolated=isolated)
    digest = sha256(made).hexdigest()
    if path.is_dir():
        path = path / f"jaga-evidence-{now.astimezone(timezone.utc):%Y%m%d-%H%M%S}-{digest[:8]}.zip"
    if path.exists() or path.is_symlink():
        raise UsageError(
            "is there already", where=str(path), remedy="a pack is never written over: choose another name"
        )
    try:
        # It holds private messages.
        with whole_file(path) as file:
            file.write(made)
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        raise StoreError(what, where=str(path), remedy="free some space or choose another folder") from error
    return Written(
        path=path,
        sha256=digest,
        fingerprint=fingerprint(public_bytes(signing_key)),
        without_pdf=without_pdf,
    )


def pack_bytes(
    content: PackContent, *, signing_key: Ed25519PrivateKey, now: datetime, isolated: bool = True
) -> tuple[bytes, DataNeeded | None]:
    """The zip, and why it holds no PDF. The same content, key and time give the same bytes. Raises: ValueError."""
    if now.tzinfo is None:
        raise ValueError("a time without a zone is no time")
    now = now.astimezone(timezone.utc).replace(microsecond=0)
    content = checked(content)
    mark = fingerprint(public_bytes(signing_key))
    report = as_document(content, signed_by=mark, now=now)
    files: dict[str, bytes] = {}
    without_pdf = _three(files, REPORT, report, now, isolated)
    files[f"{REPORT}.json"] = _canonical(as_record(content, signed_by=mark, now=now))
    if (content.country or "").lower() in CERTIFIED_COUNTRIES:
        produced = [(name, len(data), sha256(data).hexdigest()) for name, data in sorted(files.items())]
        without_pdf = (
            _three(files, CERTIFICATE, as_certificate(content, produced, now=now, signed_by=mark), now, isolated)
            or without_pdf
        )
    files[KEY] = public_pem(signing_key)
    files[README] = readme(
        content.language, mark, with_pdf=without_pdf is None, certificate=f"{CERTIFICATE}.html" in files
    )
    listed = "".join(f"{sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    files[SUMS] = listed.encode()
    files[MANIFEST] = _canonical(_manifest(content, files, signing_key, now))
    files[SIGNATURE] = signing_key.sign(files[MANIFEST])
    return boxed(files), without_pdf


def _three(files: dict[str, bytes], name: str, document: Document, now: datetime, isolated: bool) -> DataNeeded | None:
    files[f"{name}.html"] = as_html(document)
    try:
        files[f"{name}.pdf"] = as_pdf(document, now=now, isolated=isolated)
    except DataNeeded as missing:
        return missing
    return None


def _manifest(
    content: PackContent, files: dict[str, bytes], signing_key: Ed25519PrivateKey, now: datetime
) -> dict[str, Any]:
    public = public_bytes(signing_key)
    return {
        "kind": KIND,
        "schema": 1,
        "generator": f"jaga {__version__}",
        "versions": _versions(),
        "created_at": now,
        "language": content.language,
        "key": {"algorithm": "Ed25519", "public": public.hex(), "fingerprint": fingerprint(public)},
        "files": [
            {"name": name, "size_bytes": len(files[name]), "sha256": sha256(files[name]).hexdigest()}
            for name in sorted(files)
        ],
        "originals": originals_record(content),
        "messages": sources_record(content),
        "audit": {
            "lines": [
                {"at": line.at, "who": exact(line.who), "what": exact(line.what), "hash": line.hash}
                for line in content.audit
            ],
            "head": content.audit_head,
        },
    }


def _versions() -> dict[str, str]:
    versions = {"jaga": __version__, "python": platform.python_version()}
    for name in ("typst", "cryptography", "manimgx-fonts", "manimgx-fonts-cjk"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _canonical(value: Any) -> bytes:
    """JSON with sorted keys, without spaces, in UTF-8: one way to write it, and one only."""
    return msgspec.json.encode(value, order="sorted")
