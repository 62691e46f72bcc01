"""What a source made of an input, as lines of JSON that people can read and tests can compare.

    python -m tests.sources.shape tests/sources/fixtures/qq_txt/9.7_friend_and_group.txt

prints what stands in `…​.expected`; compare it with the fixture by eye before it is kept.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import sys
import tempfile
import zipfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec

from jaga.records import Message
from jaga.sources import Context, gather

FIXTURES = Path(__file__).parent / "fixtures"
EXPECTED = ".expected"
# Kuala Lumpur: a zone that is not the machine's shows at once where one was assumed.
CONTEXT = Context(zone=timezone(timedelta(hours=8)), zone_name="+08:00")


def fixtures() -> list[Path]:
    """Every fixture: a file or a folder in a source's folder."""
    return sorted(
        path
        for source in sorted(FIXTURES.iterdir())
        if source.is_dir()
        for path in source.iterdir()
        if not path.name.endswith(EXPECTED)
    )


def built(fixture: Path, into: Path, name: str | None = None) -> Path:
    """The input that a fixture stands for: `.sql` becomes a database, a folder named `.zip` a zip, all else a copy."""
    if fixture.suffix == ".sql":
        path = into / (name or f"{fixture.stem}.db")
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.executescript(fixture.read_text(encoding="utf-8"))
        return path
    path = into / (name or fixture.name)
    if fixture.is_dir() and fixture.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member in sorted(fixture.rglob("*")):
                if member.is_file():
                    archive.write(member, member.relative_to(fixture).as_posix())
    elif fixture.is_dir():
        shutil.copytree(fixture, path)
    else:
        shutil.copy(fixture, path)
    return path


def shape(path: Path, *, isolated: bool = False) -> list[str]:
    """Conversations, accounts, messages in time order and problems, one JSON value a line."""
    gathered = gather([path], CONTEXT, isolated=isolated)
    lines: list[Any] = []
    try:
        places = {identifier: index for index, identifier in enumerate(gathered.conversations)}
        for item in gathered.inputs:
            lines.append({"source": item.source, "messages": item.messages, "skipped": item.skipped})
        for conversation in gathered.conversations.values():
            lines.append({"conversation": places[conversation.id], **_set(conversation, "id")})
        for account in gathered.accounts.values():
            lines.append({"account": account.id, **_set(account, "id", "platform")})
        for message in gathered.messages():
            placed = tuple(
                one if one.found is None else msgspec.structs.replace(one, found=one.found.replace(str(path), "INPUT"))
                for one in message.attachments
            )
            lines.append(_message(msgspec.structs.replace(message, attachments=placed), places))
        for item in gathered.inputs:
            for problem in item.problems:
                where = problem.where.replace(str(path), "INPUT")
                lines.append({"note" if problem.note else "problem": problem.what, "where": where})
    finally:
        gathered.close()
    return [json.dumps(line, ensure_ascii=False) for line in lines]


def _message(message: Message, places: dict[str, int]) -> list[Any]:
    more = _set(message, "conversation", "author", "sent_at", "text", "platform", "nth")
    where = more.pop("where", None)
    return [
        places[message.conversation],
        _time(message.sent_at),
        message.author,
        message.text,
        where,
        *([more] if more else []),
    ]


def _set(record: msgspec.Struct, *without: str) -> dict[str, Any]:
    """The fields that differ from their default."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(type(record)):
        value = getattr(record, field.name)
        if field.name in without or value == field.default or value == ():
            continue
        found[field.name] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return _set(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return _time(value) if isinstance(value, datetime) else value


def _time(at: datetime) -> str:
    return at.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")


if __name__ == "__main__":
    for given in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            print("\n".join(shape(built(Path(given), Path(folder)))))
