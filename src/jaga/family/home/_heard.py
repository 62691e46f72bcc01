"""What was last heard of each app of a child: when an export was brought in, and how new the newest message in it is."""

from __future__ import annotations

from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy import orm

from jaga.store._tables import Conversation, Import

__all__ = ["PLATFORMS", "Heard", "heard_of"]

# Which app each source reads. Sources that read several (meta_messages) say so by their conversations.
PLATFORMS: dict[str, tuple[str, ...]] = {
    "discord_chat_exporter": ("discord",),
    "discord_package": ("discord",),
    "google_chat": ("google_chat",),
    "imessage": ("imessage",),
    "kakaotalk_txt": ("kakaotalk",),
    "line_txt": ("line",),
    "mastodon": ("mastodon",),
    "matrix_json": ("matrix",),
    "mbox": ("email",),
    "messenger_e2ee": ("messenger",),
    "meta_contacts": ("instagram", "facebook"),
    "meta_html": ("instagram", "messenger"),
    "meta_messages": ("instagram", "messenger"),
    "meta_posts": ("instagram", "facebook"),
    "qq_txt": ("qq",),
    "signal_desktop": ("signal",),
    "signal_export": ("signal",),
    "signal_md": ("signal",),
    "sms_xml": ("sms",),
    "snapchat": ("snapchat",),
    "telegram_html": ("telegram",),
    "telegram_json": ("telegram",),
    "tiktok": ("tiktok",),
    "tiktok_txt": ("tiktok",),
    "viber_csv": ("viber",),
    "viber_messages": ("viber",),
    "wechat_json": ("wechat",),
    "whatsapp_chatstorage": ("whatsapp",),
    "whatsapp_msgstore": ("whatsapp",),
    "whatsapp_txt": ("whatsapp",),
    "x_archive": ("x",),
    "youtube_comments": ("youtube",),
}

# The neutral formats say themselves which app a message is from.
_ANY = ("csv", "jsonl")
# Older imports than these say nothing that a newer one does not.
_LOOKED_AT = 200


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """One app of one child."""

    platform: str
    # When an export of it was last brought in.
    brought_at: datetime
    # Of the newest message; None where only lists were read.
    newest_at: datetime | None


class _Input(msgspec.Struct, frozen=True):
    """What of jaga.sources.InputSummary is asked here; the rest is passed over without being built."""

    source: str | None = None


_inputs = msgspec.msgpack.Decoder(list[_Input])


def heard_of(session: orm.Session, child: int) -> list[Heard]:
    """Every app of which something was brought in, the longest silent first."""
    newest: dict[str, datetime | None] = {}
    for platform, at in session.execute(
        sa.select(Conversation.platform, sa.func.max(Conversation.last_at))
        .where(Conversation.child == child)
        .group_by(Conversation.platform)
    ):
        newest[platform] = at
    known = set(newest)
    brought: dict[str, datetime] = {}
    for done_at, raw in session.execute(
        sa.select(Import.done_at, sa.type_coerce(Import.inputs, sa.LargeBinary))
        .where(Import.child == child, Import.done_at.is_not(None))
        .order_by(Import.id.desc())
        .limit(_LOOKED_AT)
    ):
        assert done_at is not None
        for item in _inputs.decode(raw):
            if item.source is None:
                continue
            apps = known if item.source in _ANY else known.intersection(PLATFORMS.get(item.source, ()))
            for app in apps:
                brought.setdefault(app, done_at)
    heard = [Heard(platform=app, brought_at=at, newest_at=newest.get(app)) for app, at in brought.items()]
    return sorted(heard, key=lambda one: one.brought_at)
