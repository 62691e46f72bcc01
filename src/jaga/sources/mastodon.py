"""Mastodon's archive: `outbox.json`, what the owner posted. Answers of others are not in it.

An OrderedCollection of `Create` (a post) and `Announce` (somebody else's post passed on; its object is only an address). Whom a post was
for stands in `to` and `cc`: the public, followers, or named people alone, which is a direct message. `content` is HTML. Times are UTC.
Source: W3C ActivityPub; docs.joinmastodon.org; not tried on a real archive.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

from jaga.errors import JagaError
from jaga.records import Account, Attachment, AttachmentKind, Clock, Conversation, Message, Problem, Record, digest
from jaga.sources._base import Context, own_units
from jaga.sources._json import elements, load, top_keys
from jaga.sources._tree import Entry

__all__ = ["Mastodon"]

_CLOCK = Clock(zone="UTC", zone_known=True)
_PUBLIC = ("https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public")
_BREAK = re.compile(r"<br ?/?>", re.IGNORECASE)
_PARAGRAPH = re.compile(r"</p>\s*<p[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")


class Mastodon:
    """Reads the owner's posts in file order: public ones, and direct ones by whom they were for."""

    name = "mastodon"
    title = "Mastodon archive"
    reference = "https://www.w3.org/TR/activitypub/"
    order = 48

    def recognises(self, entry: Entry) -> bool:
        keys = top_keys(entry)
        return keys.get("orderedItems") == "[" and b'"OrderedCollection"' in entry.head and "@context" in keys

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield the owner, then conversations before their posts. Raises: UnreadableInput where the file breaks off, OSError."""
        (entry,) = unit
        owner: str | None = None
        started: set[str] = set()
        for index, item in elements(entry, "orderedItems.item"):
            where = f"orderedItems[{index}]"
            post = item.get("object") if isinstance(item, dict) else None
            actor = item.get("actor") if isinstance(item, dict) else None
            sent_at = _time(item.get("published")) if isinstance(item, dict) else None
            if sent_at is None or not isinstance(actor, str):
                yield Problem(where=f"{entry.display}: {where}", what="has no author or no valid time: left out")
                continue
            if not isinstance(post, (str, dict)):
                yield Problem(where=f"{entry.display}: {where}", what="holds no post: left out")
                continue
            if owner is None:
                owner = actor
                yield Account(id=owner, platform="mastodon", name=_own_name(entry), relation="owner")
            names, addressed, public = _audience(item, post, owner)
            # Public, unlisted and for followers alike: it was said to more people than are named.
            direct = not public and bool(addressed)
            people = (owner, *addressed)
            identifier = (
                digest("mastodon", "direct", *sorted(people)) if direct else digest("mastodon", "public", owner)
            )
            if identifier not in started:
                started.add(identifier)
                yield Conversation(
                    id=identifier,
                    platform="mastodon",
                    kind="public" if not direct else "direct" if len(addressed) == 1 else "group",
                    participants=people if direct else (owner,),
                    clock=_CLOCK,
                )
                for person in addressed if direct else ():
                    yield Account(id=person, platform="mastodon", name=names.get(person))
            passed_on = isinstance(post, str)
            own: dict[str, Any] = post if isinstance(post, dict) else {}
            attachments = (Attachment(kind="link", name=str(post)),) if passed_on else tuple(_attachments(own))
            text = _text(own)
            identity = item.get("id") if passed_on else own.get("id")
            answered = own.get("inReplyTo")
            yield Message(
                conversation=identifier,
                author=owner,
                sent_at=sent_at,
                text=text,
                platform="mastodon",
                kind="media" if attachments and not text else "text",
                source_id=identity if isinstance(identity, str) else None,
                reply_to=answered if isinstance(answered, str) else None,
                attachments=attachments,
                edited=bool(own.get("updated")),
                forwarded=passed_on,
                where=where,
            )


def _own_name(entry: Entry) -> str | None:
    about = entry.sibling("actor.json")
    try:
        found = load(about) if about is not None else None
    except (JagaError, OSError):
        return None
    name = found.get("preferredUsername") if isinstance(found, dict) else None
    return name if isinstance(name, str) else None


def _audience(item: dict[str, Any], post: Any, owner: str) -> tuple[dict[str, str], tuple[str, ...], bool]:
    """(names of people mentioned, the people it was for, True if for more than those)."""
    named: dict[str, str] = {}
    tags = post.get("tag") if isinstance(post, dict) else None
    for tag in tags if isinstance(tags, list) else ():
        if isinstance(tag, dict) and tag.get("type") == "Mention" and isinstance(tag.get("href"), str):
            named[tag["href"]] = str(tag.get("name") or "")
    told: list[str] = []
    for key in ("to", "cc"):
        value = item.get(key)
        told += [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]
    many = [one for one in told if one in _PUBLIC or one.endswith("/followers")]
    people = tuple(dict.fromkeys(one for one in told if one != owner and one not in many))
    return named, people, bool(many) or not told


def _text(post: dict[str, Any]) -> str:
    raw = post.get("content")
    raw = raw if isinstance(raw, str) else ""
    text = html.unescape(_TAG.sub("", _BREAK.sub("\n", _PARAGRAPH.sub("\n\n", raw)))).strip()
    warning = post.get("summary")
    # What readers see first belongs to what was said.
    return f"{warning}\n{text}" if isinstance(warning, str) and warning else text


def _attachments(post: dict[str, Any]) -> Iterator[Attachment]:
    listed = post.get("attachment")
    for one in listed if isinstance(listed, list) else ():
        if not isinstance(one, dict):
            continue
        mime = one.get("mediaType") if isinstance(one.get("mediaType"), str) else None
        kind: AttachmentKind = next(
            (kind for kind in ("image", "video", "audio") if (mime or "").startswith(kind)), "other"
        )
        path = one.get("url")
        yield Attachment(
            kind=kind,
            name=one.get("name") if isinstance(one.get("name"), str) else None,
            path=path.lstrip("/") if isinstance(path, str) else None,
            mime=mime,
        )


def _time(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(value))
        return at.astimezone(timezone.utc) if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
