"""One look at a child's exports: read, listen, judge. `jaga check` is this function with a printer behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from jaga.assessment import Assessment, Assessor, Explanation, Owner, find_child
from jaga.records import Conversation, Message
from jaga.second_reader import Opinion
from jaga.sources import Context, Files, Gathered, InputSummary, gather

if TYPE_CHECKING:
    from jaga.media.banks import BankStore

__all__ = ["Checked", "PicturesLooked", "PicturesWanted", "check"]

Phase = Literal["reading", "listening"]


class PicturesWanted(msgspec.Struct, frozen=True, kw_only=True):
    """How attachments are to be looked at (jaga.media.attachments): by which banks, by which judge of nudity."""

    store: BankStore | None = None
    judge: str | None = None


class PicturesLooked(msgspec.Struct, frozen=True, kw_only=True):
    """How many attachments were looked at and what that told; the same file sent twice counts twice."""

    looked: int
    # By a bank of known abuse material; and, among those not known, likely nudity.
    known: int
    sensitive: int
    # Pictures and videos that are not part of the exports, and those that could not be read.
    absent: int
    unread: int
    # Whether there was a bank to compare with, and a judge of nudity.
    compared: bool
    judged: bool


class Checked(msgspec.Struct, kw_only=True):
    """What one check found. `assessments` holds every relationship, the most worrying first."""

    inputs: list[InputSummary]
    conversations: dict[str, Conversation]
    owner: Owner
    # Everyone who wrote, the most present first: what to suggest when the child that was named is not among them.
    people: tuple[str, ...]
    # False if whoever was named as the child is nowhere in the exports: then everyone in them counts as a contact.
    child_present: bool
    assessments: list[Assessment]
    # Why, by contact, of those that are worth showing.
    explanations: dict[str, Explanation]
    # What a second reader said of them, by contact, if one was asked for.
    opinions: dict[str, Opinion] = {}
    # None if nobody asked for pictures to be looked at.
    pictures: PicturesLooked | None = None
    # Messages after leaving out what several exports held twice.
    messages: int
    # Attachments that were not looked at, by kind.
    unjudged: dict[str, int]
    first_at: datetime | None
    last_at: datetime | None
    zone_name: str

    @property
    def worst(self) -> str:
        """The highest level found."""
        return self.assessments[0].level if self.assessments else "none"

    @property
    def nothing_read(self) -> bool:
        """True if no input gave anything at all."""
        return all(item.source is None or (item.messages == 0 and item.conversations == 0) for item in self.inputs)

    @property
    def partly_unread(self) -> bool:
        """True if something was lost on the way: a file, a part of one, a record."""
        return any(not problem.note for item in self.inputs for problem in item.problems)


def check(
    paths: Iterable[Path],
    context: Context,
    *,
    child: Sequence[str] = (),
    isolated: bool = True,
    progress: Callable[[Phase, int, int | None], None] | None = None,
    pictures: PicturesWanted | None = None,
) -> Checked:
    """Read the exports and judge every relationship of the child.

    `child`: the child's author ids or names; found out when empty. `pictures`: look at what is attached; needs the extra `media`. `progress` hears (phase, messages done, total or None).
    Raises: UnreadableInput, if temporary space runs out. What cannot be read is in `inputs`, not raised.
    """

    def reading(count: int) -> None:
        if progress is not None:
            progress("reading", count, None)

    paths = list(paths)
    gathered = gather(paths, context, isolated=isolated, progress=reading)
    try:
        owner = find_child(child, gathered.conversations, gathered.accounts, gathered.authors)
        # When two fit equally well (one chat, no owner stated) both readings are judged and the graver one is shown.
        sides = owner.candidates[:2] if owner.how == "unclear" and len(owner.candidates) == 2 else owner.ids[:0]
        assessors = [
            Assessor(
                (side,) if sides else owner.ids,
                context.zone,
                conversations=gathered.conversations,
                accounts=gathered.accounts,
            )
            for side in (sides or ("",))
        ]
        people, present = _people(gathered, owner)
        count = 0
        unjudged: dict[str, int] = {}
        first_at = last_at = None
        observers = [assessor.observe for assessor in assessors]
        looked: list[PicturesLooked] = []
        for message in _seen(gathered.messages(), paths, pictures, looked):
            count += 1
            if first_at is None:
                first_at = message.sent_at
            last_at = message.sent_at
            for attachment in message.attachments:
                if attachment.sha256 is not None:
                    continue
                unjudged[attachment.kind] = unjudged.get(attachment.kind, 0) + 1
            for observe in observers:
                observe(message)
            if progress is not None and count % 2_000 == 0:
                progress("listening", count, gathered.read)
    finally:
        gathered.close()
    results = [list(assessor.assessments()) for assessor in assessors]
    chosen = max(range(len(results)), key=lambda i: (_rank(results[i]), -i))
    if sides:
        owner = msgspec.structs.replace(owner, ids=(sides[chosen],))
    explanations = {
        one.contact: explained
        for one in results[chosen]
        if one.level != "none" and (explained := assessors[chosen].explain(one.contact)) is not None
    }
    return Checked(
        inputs=gathered.inputs,
        conversations=gathered.conversations,
        owner=owner,
        people=people,
        child_present=present,
        assessments=results[chosen],
        explanations=explanations,
        pictures=looked[0] if looked else None,
        messages=count,
        unjudged=unjudged,
        first_at=first_at.astimezone(timezone.utc) if first_at else None,
        last_at=last_at.astimezone(timezone.utc) if last_at else None,
        zone_name=context.zone_name,
    )


def _seen(
    messages: Iterator[Message], paths: Sequence[Path], pictures: PicturesWanted | None, looked: list[PicturesLooked]
) -> Iterator[Message]:
    """The messages, their attachments looked at if that is wanted; then what that came to is put into `looked`."""
    if pictures is None:
        yield from messages
        return
    from jaga.media.attachments import Looker

    with Files(paths) as files, Looker(files, store=pictures.store, judge=pictures.judge) as looker:
        yield from looker.look(messages)
        looked.append(msgspec.convert(looker.counts, PicturesLooked, from_attributes=True))


def _people(gathered: Gathered, owner: Owner) -> tuple[tuple[str, ...], bool]:
    """Who wrote, by the number of chats they are in, and whether the child is anywhere in the exports."""
    chats: dict[str, int] = {}
    for authors in gathered.authors.values():
        for author in filter(None, authors):
            chats[author] = chats.get(author, 0) + 1
    known = set(chats)
    known.update(person for one in gathered.conversations.values() for person in one.participants)
    known.update(identifier for _, identifier in gathered.accounts)
    return tuple(sorted(chats, key=lambda one: (-chats[one], one))), any(one in known for one in owner.ids)


def _rank(assessments: list[Assessment]) -> tuple[int, float]:
    order = ("none", "watch", "concern", "urgent")
    if not assessments:
        return (0, 0.0)
    return (order.index(assessments[0].level), assessments[0].score)
