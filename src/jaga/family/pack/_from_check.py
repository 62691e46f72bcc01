"""A pack without a store: what `jaga check` found about one contact, and the lines of the exports that show it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import msgspec

from jaga.assessment import PUBLIC, Assessment
from jaga.errors import UnreadableInput
from jaga.family._check import Checked
from jaga.family.pack._content import AttachmentRef, OriginalFile, PackContent, SourceRef, with_context
from jaga.family.sentences import strongest
from jaga.records import Account, Message
from jaga.sources import Context, Unit, read_isolated, read_path
from jaga.words import words

__all__ = ["content_of_check"]

# The messages that added most; a pack is no copy of the chat.
_SHOWN = 40


def content_of_check(
    checked: Checked,
    one: Assessment,
    paths: Sequence[Path],
    context: Context,
    *,
    language: str,
    country: str | None,
    age: int | None,
    now: datetime,
    isolated: bool = True,
) -> PackContent:
    """Reads the exports once more, for the lines around the evidence and the hashes of the files.

    Raises: UnreadableInput, if a file that was read before cannot be read any more.
    """
    shown = {piece.message for piece, _ in strongest(words(language), one, _SHOWN)}
    found = _found(paths, context, frozenset(one.conversations), isolated=isolated)
    files: dict[Path, OriginalFile] = {}
    quotes = []
    for quote in with_context(((message, None) for message in found), shown):
        file, inside = _place(found[quote.message])
        if file not in files:
            files[file] = _hashed(file, now)
        place = ": ".join(filter(None, (inside, quote.message.where)))
        original = files[file]
        source = SourceRef(
            name=original.name, sha256=original.sha256, size_bytes=original.size_bytes, where=place or None
        )
        quotes.append(msgspec.structs.replace(quote, source=source))
    ids = tuple(name for name in checked.owner.ids if name in checked.people) or tuple(checked.owner.ids)
    told = {quote.message.conversation for quote in quotes}
    return PackContent(
        child_name=ids[0] if ids else one.child,
        child_ids=ids,
        child_age=age,
        child_age_band=None if age is None else str(age),
        contact_accounts=()
        if one.contact == PUBLIC
        else tuple(Account(id=one.contact, platform=platform, name=one.contact_name) for platform in one.platforms),
        assessment=one,
        quotes=tuple(quotes),
        conversations=tuple(chat for name, chat in checked.conversations.items() if name in told),
        originals=tuple(files.values()),
        attachments=tuple(
            AttachmentRef(
                kind=thing.kind,
                name=thing.name,
                size_bytes=thing.size_bytes,
                kept_where=None if thing.path is None or quote.source is None else quote.source.name,
                message=quote.message.id,
            )
            for quote in quotes
            for thing in quote.message.attachments
        ),
        country=country,
        language=language,
        zone=context.zone_name,
    )


def _found(
    paths: Sequence[Path], context: Context, conversations: frozenset[str], *, isolated: bool
) -> dict[Message, str]:
    """Each message of these conversations once, in time order, with the place of the unit it was read from."""
    read = read_isolated if isolated else read_path
    found: dict[str, tuple[Message, str]] = {}
    for path in dict.fromkeys(paths):
        place = str(path)
        equal: dict[tuple[str, str, str, datetime], int] = {}
        for item in read(path, context):
            if isinstance(item, Unit):
                place = item.where
                equal.clear()
            elif isinstance(item, Message) and item.conversation in conversations:
                if item.source_id is None:
                    # As gathering counts: which of several equal messages of one file this is.
                    key = (item.conversation, item.author, item.text, item.sent_at)
                    nth = equal.get(key, 0)
                    equal[key] = nth + 1
                    item = item if nth == 0 else msgspec.structs.replace(item, nth=nth)
                found.setdefault(item.id, (item, place))
    return dict(sorted(found.values(), key=lambda one: one[0].sent_at))


def _place(where: str) -> tuple[Path, str]:
    """(the file on the disk, the place inside it) of a unit: `export.zip!inbox/message_1.json`."""
    at = len(where)
    while at > 0:
        file = Path(where[:at].removesuffix("!"))
        if file.is_file():
            return file, where[at:].lstrip("!")
        # Units of several files end in a count; members of archives follow an exclamation mark.
        at = max(where.rfind("!", 0, at), where.rfind(" (+", 0, at))
    raise UnreadableInput("cannot be found any more", where=where, remedy="put it back and try again")


def _hashed(path: Path, now: datetime) -> OriginalFile:
    try:
        with path.open("rb") as stream:
            hasher, size = sha256(), 0
            while piece := stream.read(1 << 20):
                hasher.update(piece)
                size += len(piece)
    except OSError as error:
        raise UnreadableInput(f"cannot be read: {error.strerror}", where=str(path)) from error
    return OriginalFile(
        name=path.name, sha256=hasher.hexdigest(), size_bytes=size, kept_where=str(path.resolve()), imported_at=now
    )
