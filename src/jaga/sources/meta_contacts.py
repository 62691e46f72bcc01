"""Followers, following, requests and blocked accounts of Instagram, and friends of Facebook: contacts without messages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from jaga.records import Account, Problem, Record, Relation
from jaga.sources._base import Context, from_unix, own_units
from jaga.sources._json import salvage, top_keys
from jaga.sources._meta import repair
from jaga.sources._tree import Entry

__all__ = ["MetaContacts"]

# The list's key, or for bare lists a word in the file's name, to what it says of the people in it.
_RELATIONS: tuple[tuple[str, Relation], ...] = (
    ("relationships_following", "following"),
    ("relationships_followers", "follower"),
    ("relationships_follow_requests_received", "request_received"),
    ("relationships_permanent_follow_requests", "request_sent"),
    ("relationships_follow_requests_sent", "request_sent"),
    ("relationships_blocked_users", "blocked"),
    ("relationships_close_friends", "following"),
    # Facebook; who was removed or rejected was near once.
    ("friends_v2", "contact"),
    ("sent_requests_v2", "request_sent"),
    ("friend_requests_v2", "request_sent"),
    ("received_requests_v2", "request_received"),
    ("rejected_requests_v2", "request_received"),
    ("followers_v2", "follower"),
    ("blocked_users_v2", "blocked"),
    ("followers", "follower"),
    ("following", "following"),
    ("blocked", "blocked"),
)


# Facebook's lists carry a version; those of people follow one pattern.
_FACEBOOK = re.compile(r"_v\d$")


class MetaContacts:
    """Reads one list per file."""

    name = "meta_contacts"
    title = "Instagram or Facebook contacts"
    reference = "https://help.instagram.com/181231772500920"
    order = 55

    def recognises(self, entry: Entry) -> bool:
        keys = top_keys(entry)
        if any(
            key.startswith("relationships_") or (begins == "[" and _FACEBOOK.search(key) and _relation(key))
            for key, begins in keys.items()
        ):
            return True
        return "string_list_data" in keys and "media_list_data" in keys and _relation(entry.name) is not None

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield an account for each person in the list. Raises: UnreadableInput, OSError."""
        (entry,) = unit
        document, broken = salvage(entry)
        lists = document.items() if isinstance(document, dict) else [(entry.name, document)]
        for key, people in lists:
            relation = _relation(key)
            if relation is None or not isinstance(people, list):
                continue
            # Under the platform of its chats, where they are met again.
            platform = "messenger" if _FACEBOOK.search(key) else "instagram"
            for index, person in enumerate(people):
                account = _account(person, relation, platform)
                if account is None:
                    yield Problem(where=f"{entry.display}: {key}[{index}]", what="names nobody: left out")
                else:
                    yield account
        if broken is not None:
            raise broken


def _relation(key: str) -> Relation | None:
    lower = key.lower()
    return next((relation for word, relation in _RELATIONS if word in lower), None)


def _account(person: Any, relation: Relation, platform: str) -> Account | None:
    if not isinstance(person, dict):
        return None
    data = person.get("string_list_data")
    first = data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else {}
    name = first.get("value") or person.get("title") or person.get("name")
    if not isinstance(name, str) or not name:
        return None
    since = first.get("timestamp") or person.get("timestamp")
    return Account(
        id=repair(name),
        platform=platform,
        name=repair(name),
        relation=relation,
        since=from_unix(since) if isinstance(since, (int, float)) else None,
    )
