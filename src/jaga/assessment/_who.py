"""Whose phone is it? Finds the child's own accounts when nobody said which they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from jaga.records import Account, Conversation

__all__ = ["Owner", "find_child"]


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The child's author ids and how they were found."""

    ids: tuple[str, ...]
    # "named": by the caller; "stated": the export says whose it is; "recurring": in most conversations;
    # "unclear": several fit equally well, `candidates` are they, and `ids` is the first.
    how: Literal["named", "stated", "recurring", "unclear", "nobody"]
    candidates: tuple[str, ...] = ()


def find_child(
    named: Iterable[str],
    conversations: Mapping[str, Conversation],
    accounts: Mapping[tuple[str, str], Account],
    authors: Mapping[str, Mapping[str, int]],
) -> Owner:
    """The child: as named, else the export's stated owner, else whoever is in most conversations.

    `authors`: conversation id to author id to messages written. A name given may be an author id or a display name.
    """
    wanted = tuple(dict.fromkeys(named))
    if wanted:
        ids: dict[str, None] = {}
        for name in wanted:
            ids[name] = None
            for (_, identifier), account in accounts.items():
                if account.name is not None and account.name.casefold() == name.casefold():
                    ids[identifier] = None
        return Owner(ids=tuple(ids), how="named")
    stated = tuple(
        dict.fromkeys(identifier for (_, identifier), account in accounts.items() if account.relation == "owner")
    )
    presence: dict[str, int] = {}
    # In the order of the exports: of equal candidates the first must be the same in every run.
    for conversation in dict.fromkeys((*conversations, *authors)):
        people = dict.fromkeys(authors.get(conversation, {}))
        if conversation in conversations:
            people.update(dict.fromkeys(conversations[conversation].participants))
        for person in people:
            if person:
                presence[person] = presence.get(person, 0) + 1
    if stated:
        # The same person may have exports that do not state the owner under the same name.
        return Owner(ids=stated, how="stated")
    if not presence:
        return Owner(ids=(), how="nobody")
    most = max(presence.values())
    candidates = tuple(person for person in presence if presence[person] == most)
    if len(candidates) == 1:
        return Owner(ids=candidates, how="recurring")
    return Owner(ids=candidates[:1], how="unclear", candidates=candidates)
