"""A Document as a tagged PDF: PDF/A-2a (ISO 19005-2) and PDF/UA-1 (ISO 14289-1), shaped for every script that the fonts have.

It is set in a process of its own: what strangers wrote is fed to a large program, which may die of it and keeps a hundred
megabytes after it has once run.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime
from pathlib import Path

import msgspec

from jaga.errors import DataNeeded
from jaga.family.pack import _typeset
from jaga.family.pack._blocks import Document

__all__ = ["as_pdf"]

# A report of 780 messages took 1.1 s on a shared machine of two cores.
_PATIENCE_S = 120


def as_pdf(document: Document, *, now: datetime, isolated: bool = True) -> bytes:
    """The PDF; the same bytes for the same document and time. `isolated`: in a process of its own.

    Raises: DataNeeded, if Typst or a font is missing, or Typst gives up.
    """
    plain, at = msgspec.to_builtins(document), int(now.timestamp())
    if not isolated:
        try:
            return _typeset.typeset(plain, at)
        except _typeset.Missing as missing:
            raise _needed(missing.family) from missing
        except _typeset.Refused as refused:
            raise _given_up() from refused
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-P", str(Path(_typeset.__file__))],
            input=msgspec.json.encode({"document": plain, "at": at}),
            capture_output=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _given_up() from error
    if done.returncode == _typeset.MISSING:
        raise _needed(done.stderr.decode() or None)
    if done.returncode != 0 or not done.stdout.startswith(b"%PDF-"):
        raise _given_up()
    return done.stdout


def _needed(family: str | None) -> DataNeeded:
    if family is None:
        return DataNeeded("a PDF needs more than this install has", remedy="install jaga[pack]")
    return DataNeeded(
        f"a PDF needs the font {family}",
        remedy="install jaga[pack], or Debian's fonts-noto-core and fonts-noto-cjk",
    )


def _given_up() -> DataNeeded:
    return DataNeeded("the PDF could not be set", remedy="the page (HTML) says the same")
