"""Viber's database on Android, `viber_messages` (from a device image; no extension).

`messages.msg_date` is milliseconds since 1970, `send_type` 1 is the owner's own, `participants` join people to conversations.
Learned from abrignoni/ALEAPP Viber.py (facts only); not tried on a real database.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from sqlite3 import Connection

from jaga.records import Account, Attachment, AttachmentKind, Clock, Conversation, Message, Problem, Record, digest
from jaga.sources._base import Context, from_unix_ms, own_units
from jaga.sources._sqlite import columns, has_tables, open_database, rows
from jaga.sources._tree import Entry

__all__ = ["ViberMessages"]

OWNER = "me"
_CLOCK = Clock(zone="UTC", zone_known=True, precision_s=0.001)


class ViberMessages:
    """Reads messages in row order."""

    name = "viber_messages"
    title = "Viber database (Android)"
    reference = "https://github.com/abrignoni/ALEAPP/blob/main/scripts/artifacts/Viber.py"
    order = 42

    def recognises(self, entry: Entry) -> bool:
        return has_tables(
            entry,
            messages={"msg_date", "send_type", "body", "conversation_id", "participant_id"},
            participants={"_id", "conversation_id", "participant_info_id"},
            participants_info={"_id", "number"},
        )

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield conversations, accounts, messages; a row without a time is a Problem. Raises: UnreadableInput, OSError."""
        (entry,) = unit
        yield Account(id=OWNER, platform="viber", relation="owner")
        with open_database(entry) as connection:
            people, members = _people(connection)
            own = _own(connection, people)
            for number, name in dict(people.values()).items():
                if number in own:
                    continue
                yield Account(id=number, platform="viber", name=name)
            started: dict[int, str] = {}
            have = columns(connection, "messages")
            mime = "m.extra_mime" if "extra_mime" in have else "NULL"
            uri = "m.extra_uri" if "extra_uri" in have else "NULL"
            query = f"""SELECT m.rowid AS row, m.msg_date AS at, m.send_type AS sent, m.body AS body, m.conversation_id AS chat,
                m.participant_id AS participant, {mime} AS mime, {uri} AS uri FROM messages m ORDER BY m.rowid"""  # noqa: S608
            for row in rows(connection, query):
                sent_at = from_unix_ms(row["at"] or 0)
                chat = row["chat"]
                author = OWNER if row["sent"] == 1 else people.get(row["participant"], (None, None))[0]
                if sent_at is None or chat is None or author is None:
                    yield Problem(
                        where=f"{entry.display}: row {row['row']}", what="has no chat, sender or valid time: left out"
                    )
                    continue
                if chat not in started:
                    others = members.get(chat, ())
                    # The owner is one of the participants of a chat; how many others there are tells the kind.
                    direct = len(others) <= 2
                    key = sorted(others) if direct else [str(chat)]
                    started[chat] = digest("viber", "direct" if direct else "group", *key)
                    yield Conversation(
                        id=started[chat],
                        platform="viber",
                        kind="direct" if direct else "group",
                        participants=(OWNER, *(one for one in others if one not in own)),
                        clock=_CLOCK,
                    )
                text = str(row["body"] or "")
                attachments = _attachments(row["mime"], row["uri"])
                yield Message(
                    conversation=started[chat],
                    author=author,
                    sent_at=sent_at,
                    text=text,
                    platform="viber",
                    kind="call"
                    if str(row["mime"] or "") == "call"
                    else "media"
                    if attachments and not text
                    else "text",
                    attachments=attachments,
                    where=f"row {row['row']}",
                )


def _people(connection: Connection) -> tuple[dict[int, tuple[str, str | None]], dict[int, tuple[str, ...]]]:
    """(participant row to (number, name), conversation to the numbers in it)."""
    have = columns(connection, "participants_info")
    names = [name for name in ("contact_name", "display_name", "viber_name") if name in have]
    name = f"coalesce({', '.join(f'i.{one}' for one in names)}, NULL)" if names else "NULL"
    people: dict[int, tuple[str, str | None]] = {}
    members: dict[int, dict[str, None]] = {}
    query = f"""SELECT p._id AS participant, p.conversation_id AS chat, i._id AS info, i.number AS number, {name} AS name
        FROM participants p JOIN participants_info i ON i._id = p.participant_info_id"""  # noqa: S608
    for row in rows(connection, query):
        number = str(row["number"] or f"#{row['info']}")
        people[row["participant"]] = (number, row["name"])
        members.setdefault(row["chat"], {})[number] = None
    return people, {chat: tuple(numbers) for chat, numbers in members.items()}


def _own(connection: Connection, people: dict[int, tuple[str, str | None]]) -> set[str]:
    """The owner's numbers: whose participant rows the outgoing messages carry."""
    found = connection.execute("SELECT DISTINCT participant_id FROM messages WHERE send_type = 1").fetchall()
    return {people[row[0]][0] for row in found if row[0] in people}


def _attachments(mime: object, uri: object) -> tuple[Attachment, ...]:
    if not isinstance(uri, str) or not uri:
        return ()
    text = mime if isinstance(mime, str) else ""
    kind: AttachmentKind = next(
        (kind for kind in ("image", "video", "audio", "sticker") if text.startswith(kind)), "other"
    )
    return (Attachment(kind=kind, name=uri.rsplit("/", 1)[-1] or None, mime=text or None),)
