"""Sending through Apprise, in a process of its own.

Apprise knows over a hundred services and loads them all; in a process that ends, none of it stays in the server's memory, a service
that hangs is ended by the clock, and what it logs goes nowhere. The address of a channel holds passwords: it goes in by standard
input (not on the command line, which every user of the machine can read), and nothing but one of a few fixed sentences comes back.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable
from typing import Literal

import msgspec

from jaga.errors import DataNeeded, UsageError
from jaga.family._apart import answering, ask

__all__ = ["Message", "check_address", "masked", "send"]

_LONGEST_S = 60.0
# A server that ends lets a message that is on its way arrive.
_GRACE_S = 8.0
_STATUS = re.compile(r"error=(\d{3})\b")
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]{0,30}(?=:)")
# Of no use to the one who sends, and none of its business.
_SECRETS = ("JAGA_PASSPHRASE", "JAGA_PASSPHRASE_FILE", "JAGA_DATABASE_URL", "CREDENTIALS_DIRECTORY")


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What goes out, and where to."""

    url: str
    title: str
    body: str


class _Order(msgspec.Struct, frozen=True, kw_only=True):
    url: str
    # None: only say whether the address is one that Apprise knows.
    message: Message | None


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    what: Literal["sent", "known", "unknown", "refused", "unreachable", "missing"]
    status: int | None = None


def send(
    message: Message, *, longest_s: float = _LONGEST_S, stopping: Callable[[], bool] = lambda: False
) -> str | None:
    """Send now, and give up once `stopping` is true for some seconds. None if the service took it, else what went wrong: a sentence for `Words.found`, without anything of the address.

    Raises: DataNeeded, if Apprise is not installed.
    """
    answer = _ask(_Order(url=message.url, message=message), longest_s, stopping)
    if answer is not None and answer.what == "missing":
        raise _missing()
    if answer is not None and answer.what == "sent":
        return None
    if answer is None:
        what = "the service gave no answer in time"
    elif answer.what == "unknown":
        what = "Jaga does not know this kind of address"
    elif answer.what == "unreachable":
        what = "the service cannot be reached"
    elif answer.status in (401, 403):
        what = f"the service does not accept the name, password or key (code {answer.status})"
    elif answer.status is not None:
        what = f"the service did not take the message (code {answer.status})"
    else:
        what = "the service did not take the message"
    return what


def check_address(url: str) -> None:
    """Raises: UsageError, without repeating it, if Apprise does not know what to do with the address; DataNeeded."""
    answer = _ask(_Order(url=url, message=None), _LONGEST_S) if url.strip() else None
    if answer is not None and answer.what == "missing":
        raise _missing()
    if answer is None or answer.what != "known":
        raise UsageError(
            "Jaga does not know this kind of address",
            remedy="write it as the list of Apprise tells, such as ntfy://… or mailtos://…",
        )


def masked(url: str) -> str:
    """What may be shown of an address: the kind of service, nothing else."""
    found = _SCHEME.match(url)
    return f"{found[0].lower()}://…" if found else "…"


def _missing() -> DataNeeded:
    return DataNeeded("sending needs the package apprise", remedy="install it with: pip install 'jaga[home]'")


def _ask(order: _Order, longest_s: float, stopping: Callable[[], bool] = lambda: False) -> _Answer | None:
    environment = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    try:
        answer = ask(
            "jaga.family.notify._send",
            msgspec.json.encode(order),
            longest_s=longest_s,
            stopping=stopping,
            grace_s=_GRACE_S,
            environment=environment,
            silent=True,
        )
        return None if answer is None else msgspec.json.decode(answer, type=_Answer)
    except (OSError, msgspec.DecodeError):
        return None


class _Listening(logging.Handler):
    """Hears what Apprise says of a failure and keeps only its kind: the text may hold the address."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.unreachable = False
        self.status: int | None = None

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        found = _STATUS.search(text)
        if found:
            self.status = int(found[1])
        elif "onnection error" in text:
            self.unreachable = True


def _carry_out(order: _Order) -> _Answer:
    try:
        import apprise
    except ImportError:
        return _Answer(what="missing")
    listening = _Listening()
    log = logging.getLogger("apprise")
    log.handlers[:] = [listening]
    log.propagate = False
    asset = apprise.AppriseAsset(
        app_id="Jaga",
        app_desc="Jaga",
        app_url="",
        # Pictures of Apprise's own page would be fetched by every phone that shows the message.
        image_url_mask="",
        image_url_logo="",
        image_path_mask="",
        # Nothing of ours is a template, and nothing is kept on the disk.
        allow_templates=False,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        pgp_autogen=False,
        pem_autogen=False,
        async_mode=False,
    )
    service = apprise.Apprise(asset=asset)
    if not service.add(order.url):
        return _Answer(what="unknown")
    if order.message is None:
        return _Answer(what="known")
    if service.notify(title=order.message.title, body=order.message.body, body_format=apprise.NotifyFormat.TEXT):
        return _Answer(what="sent")
    if listening.status is not None:
        return _Answer(what="refused", status=listening.status)
    return _Answer(what="unreachable" if listening.unreachable else "refused")


def _answer(order: bytes) -> bytes:
    return msgspec.json.encode(_carry_out(msgspec.json.decode(order, type=_Order)))


if __name__ == "__main__":
    answering(_answer)
