"""`jaga doctor`: whether everything that Jaga at home needs is there, whole and up to date. Changes nothing."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import shutil
import ssl
import stat
import sys
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
import sqlalchemy as sa

from jaga import __version__
from jaga.errors import JagaError
from jaga.family.home._instance import Running, running
from jaga.family.home._tls import ends_at, read_certificate
from jaga.family.home._unlocking import open_store
from jaga.store import Store, broken_lines
from jaga.store._tables import AuditLine, Backup, Channel, Delivery, Import, Watched
from jaga.words import Words

__all__ = ["Finding", "State", "answers", "examine"]

# fail: something does not work. warn: it works, but somebody should look. unknown: it could not be examined.
State = Literal["ok", "warn", "fail", "unknown"]
_LITTLE_BYTES = 1 << 30
_TOO_LITTLE_BYTES = 100 << 20
_OLD_BACKUP = timedelta(days=31)
_LATELY = timedelta(days=7)
# Later than this was Jaga written; an earlier clock is wrong.
_WRITTEN = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
_PACKAGES = (
    "sqlalchemy",
    "sqlcipher3",
    "fastapi",
    "uvicorn",
    "apprise",
    "keyring",
    "watchfiles",
    "psycopg",
    "webauthn",
)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was examined. `name` and `state` are codes; `what` and `remedy` are in the reader's language."""

    name: str
    state: State
    what: str
    remedy: str | None = None


def examine(folder: Path, url: str | None, say: Words, now: datetime) -> Iterator[Finding]:
    """Examine a household, the quick things first. Raises nothing: what goes wrong is a finding."""
    yield Finding(
        name="version",
        state="ok",
        what=say("Jaga {version}, Python {python}", version=__version__, python=sys.version.split()[0]),
    )
    yield from _packages(say)
    yield from _clock(say, now)
    if not folder.is_dir():
        yield Finding(
            name="folder",
            state="unknown",
            what=say("Nobody has set Jaga up here yet: {folder}", folder=folder),
            remedy=say("run: jaga home"),
        )
        return
    yield from _folder(folder, say)
    yield from _space(folder, say)
    yield from _certificate(folder, say, now)
    yield from _server(folder, say)
    yield from _store(folder, url, say, now)


def answers(folder: Path) -> bool:
    """Whether a server is running for the household and answers."""
    found = running(folder)
    return found is not None and bool(found.address) and _state(found) is not None


def _state(found: Running) -> str | None:
    """What the server says of itself."""
    # Our own machine, and a certificate that nobody vouches for: what counts is that somebody answers.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(f"{found.address}health", timeout=5, context=context) as answer:  # noqa: S310
            return str(json.loads(answer.read())["state"])
    except (OSError, ValueError, KeyError):
        return None


def _packages(say: Words) -> Iterator[Finding]:
    there, missing = [], []
    for name in _PACKAGES:
        try:
            there.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Finding(
            name="packages",
            state="warn",
            what=say("Packages that are missing: {names}", names=", ".join(missing)),
            remedy=say("install them with: pip install 'jaga[home]'"),
        )
    else:
        yield Finding(name="packages", state="ok", what=", ".join(there))


def _clock(say: Words, now: datetime) -> Iterator[Finding]:
    shown = now.astimezone().strftime("%Y-%m-%d %H:%M %Z")
    if now < _WRITTEN:
        yield Finding(
            name="clock",
            state="fail",
            what=say("The clock of this machine is wrong: {time}", time=shown),
            remedy=say("set it, or let it ask the network for the time"),
        )
    else:
        yield Finding(name="clock", state="ok", what=say("The clock says {time}", time=shown))


def _folder(folder: Path, say: Words) -> Iterator[Finding]:
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(
            name="folder",
            state="fail",
            what=say("The folder cannot be written: {folder}", folder=folder),
            remedy=say("give yourself the right to write there"),
        )
        return
    # Whoever may not enter it reaches nothing in it, whatever the files themselves would allow.
    if os.name == "posix" and stat.S_IMODE(folder.stat().st_mode) & 0o077:
        yield Finding(
            name="folder",
            state="warn",
            what=say("Other users of this machine can open the folder: {folder}", folder=folder),
            remedy=say("run: chmod go-rwx {folder}", folder=folder),
        )
    else:
        yield Finding(name="folder", state="ok", what=say("The folder is yours alone: {folder}", folder=folder))


def _space(folder: Path, say: Words) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free
    state: State = "fail" if free < _TOO_LITTLE_BYTES else "warn" if free < _LITTLE_BYTES else "ok"
    yield Finding(
        name="space",
        state=state,
        what=say("Free space: {size} GB", size=f"{free / 1e9:.1f}"),
        remedy=None if state == "ok" else say("free some space; nothing is lost until then, but nothing new is kept"),
    )


def _certificate(folder: Path, say: Words, now: datetime) -> Iterator[Finding]:
    cert = folder / "tls" / "certificate.pem"
    if not cert.exists():
        return
    try:
        ends, known = ends_at(cert), read_certificate(cert, cert.with_name("key.pem"))
    except (OSError, ValueError):
        yield Finding(
            name="certificate",
            state="fail",
            what=say("The certificate for the home network cannot be read"),
            remedy=say("delete the folder {folder}; a new one is made", folder=cert.parent),
        )
        return
    yield Finding(
        name="certificate",
        state="ok" if now < ends else "fail",
        what=say(
            "Certificate for the home network until {date}, SHA-256 {fingerprint}",
            date=f"{ends:%Y-%m-%d}",
            fingerprint=known.fingerprint,
        ),
        remedy=None if now < ends else say("start Jaga again; a new one is made"),
    )


def _server(folder: Path, say: Words) -> Iterator[Finding]:
    found = running(folder)
    if found is None or not found.address:
        yield Finding(
            name="server",
            state="warn",
            what=say("Jaga is not running: nobody is told of anything"),
            remedy=say("run: jaga home"),
        )
        return
    state = _state(found)
    if state is None:
        yield Finding(
            name="server",
            state="fail",
            what=say("Jaga is running at {address} but does not answer", address=found.address),
            remedy=say("stop it and start it again"),
        )
        return
    if state == "locked":
        yield Finding(
            name="server",
            state="warn",
            what=say(
                "Jaga is running at {address} and waits to be unlocked: nothing is watched", address=found.address
            ),
            remedy=say("open that address and give the passphrase"),
        )
    else:
        yield Finding(name="server", state="ok", what=say("Jaga is running at {address}", address=found.address))


def _store(folder: Path, url: str | None, say: Words, now: datetime) -> Iterator[Finding]:
    if not Store.exists(folder):
        yield Finding(
            name="store", state="unknown", what=say("Nobody has set Jaga up here yet"), remedy=say("run: jaga home")
        )
        return
    try:
        store = open_store(folder, url)
    except JagaError as error:
        yield Finding(
            name="store",
            state="fail",
            what=say.found(error.what),
            remedy=None if error.remedy is None else say.found(error.remedy),
        )
        return
    if store is None:
        yield Finding(
            name="store",
            state="unknown",
            what=say("What is kept was not examined: that needs the passphrase"),
            remedy=say("set JAGA_PASSPHRASE and run it again"),
        )
        return
    try:
        with store.session(read_only=True) as session:
            yield from _kept(session, folder, say, now)
    except JagaError as error:
        yield Finding(name="store", state="fail", what=say.found(str(error)))
    finally:
        with contextlib.suppress(JagaError):
            store.close()


def _kept(session: sa.orm.Session, folder: Path, say: Words, now: datetime) -> Iterator[Finding]:
    faults: list[str] = []
    if session.get_bind().dialect.name == "sqlite":
        size = sum((folder / name).stat().st_size for name in ("jaga.db", "jaga.db-wal") if (folder / name).exists())
        # Each page's authentication code, then the structure.
        faults = [str(row[0]) for row in session.execute(sa.text("PRAGMA cipher_integrity_check")).all()]
        faults += [str(row[0]) for row in session.execute(sa.text("PRAGMA quick_check")).all() if row[0] != "ok"]
        whole = say("The store opens and is whole ({size} MB)", size=f"{size / 1e6:.1f}")
    else:
        whole = say("The store opens")
    if faults:
        yield Finding(
            name="store",
            state="fail",
            what=say("The store is damaged: {fault}", fault=faults[0]),
            remedy=say("restore the last backup: jaga home restore"),
        )
    else:
        yield Finding(name="store", state="ok", what=whole)
    broken = list(broken_lines(session))
    lines = session.scalar(sa.select(sa.func.count()).select_from(AuditLine)) or 0
    if broken:
        yield Finding(
            name="audit",
            state="fail",
            what=say("The record of who looked was changed at line {number}", number=broken[0]),
            remedy=say("keep a copy of the store as it is, and ask who had access to this machine"),
        )
    else:
        yield Finding(
            name="audit",
            state="ok",
            what=say.plural(
                "The record of who looked is whole: {count} line",
                "The record of who looked is whole: {count} lines",
                lines,
            ),
        )
    last = session.scalar(sa.select(sa.func.max(AuditLine.at)))
    if last is not None and last > now + timedelta(days=1):
        yield Finding(
            name="clock",
            state="fail",
            what=say("The store was used on {date}, and the clock says it is earlier", date=f"{last:%Y-%m-%d}"),
            remedy=say("set it, or let it ask the network for the time"),
        )
    backup = session.scalar(sa.select(sa.func.max(Backup.at)))
    if backup is None or now - backup > _OLD_BACKUP:
        yield Finding(
            name="backup",
            state="warn",
            what=say("There is no backup yet")
            if backup is None
            else say("The last backup is of {date}", date=f"{backup:%Y-%m-%d}"),
            remedy=say("run: jaga home backup FILE, and keep the file on another disk"),
        )
    else:
        yield Finding(name="backup", state="ok", what=say("The last backup is of {date}", date=f"{backup:%Y-%m-%d}"))
    yield from _reaching(session, say, now)
    yield from _bringing(session, say)


def _reaching(session: sa.orm.Session, say: Words, now: datetime) -> Iterator[Finding]:
    channels = session.scalars(sa.select(Channel).where(Channel.enabled)).all()
    for channel in channels:
        if channel.problem:
            yield Finding(
                name="channels",
                state="warn",
                what=f"{channel.name}: {say.found(channel.problem)}",
                remedy=say("look at it under Settings and send a trial"),
            )
    lost = session.scalar(
        sa.select(sa.func.count())
        .select_from(Delivery)
        .where(Delivery.given_up_at > now - _LATELY, Delivery.problem.is_not(None))
    )
    if lost:
        yield Finding(
            name="deliveries",
            state="fail",
            what=say.plural(
                "{count} message could not be delivered this week",
                "{count} messages could not be delivered this week",
                lost,
            ),
            remedy=say("what they were about stands on the page Today"),
        )
    if not channels:
        yield Finding(
            name="channels",
            state="warn",
            what=say("No channel is set: alerts are seen only by looking at the page"),
            remedy=say("add one under Settings"),
        )
    elif not any(channel.problem for channel in channels):
        yield Finding(
            name="channels",
            state="ok",
            what=say.plural("{count} channel to tell you by", "{count} channels to tell you by", len(channels)),
        )


def _bringing(session: sa.orm.Session, say: Words) -> Iterator[Finding]:
    folders = session.scalars(sa.select(Watched)).all()
    for one in folders:
        if one.problem:
            yield Finding(name="folders", state="warn", what=f"{one.path}: {say.found(one.problem)}")
    failed = session.scalar(sa.select(sa.func.count()).select_from(Import).where(Import.state == "failed")) or 0
    if failed:
        yield Finding(
            name="imports",
            state="warn",
            what=say.plural(
                "{count} export could not be brought in", "{count} exports could not be brought in", failed
            ),
            remedy=say("the page Sources says why"),
        )
