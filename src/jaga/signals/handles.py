"""Hears doors to other places in a message: links into messaging apps and account handles beside an app's name.

Source: moving to another platform is one of the four cues that carried signal in chat-level studies; see
docs/what-jaga-listens-for.md. Regular expressions here have no nested repetition: linear in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from jaga.records import Message
from jaga.signals._base import Actor, Signal

__all__ = ["Handles"]

_INVITE = re.compile(
    r"(?:https?://)?(?:t\.me|wa\.me|chat\.whatsapp\.com|api\.whatsapp\.com|discord\.gg|discord\.com/invite|line\.me/(?:ti|R)|"
    r"snapchat\.com/add|u\.wechat\.com|signal\.me|signal\.group|m\.me|ig\.me)/[\w+#%?=&./-]{2,}",
    re.IGNORECASE,
)
_APPS = r"telegram|tele|tg|whatsapp|wasap|wassap|ws|wa|snapchat|snap|sc|insta(?:gram)?|ig|discord|dc|wechat|微信|kik|line id|signal|session|omegle|skype|zangi"
_HANDLE = re.compile(
    rf"\b(?:{_APPS})\b ?(?:id|user(?:name)?|acc(?:ount)?|no|num(?:ber)?)? ?(?:is|ni|saya|i|my|:|=|-)* ?[:@＠=] ?@?[\w.]{{3,30}}",
    re.IGNORECASE,
)


class Handles:
    """Links and handles by the contact; strength is low, since friends pass them on too."""

    name = "handles"

    def hear(self, message: Message, by: Actor) -> Iterator[Signal]:
        """Yield at most one signal for a way to another place."""
        text = message.text
        if by != "contact" or len(text) < 6 or len(text) > 8_000:
            return
        if not text.isascii():
            # Full-width letters and marks are the same letters and marks.
            text = unicodedata.normalize("NFKC", text)
        found = _INVITE.search(text) if "/" in text else None
        if found is None and ("@" in text or ":" in text or "=" in text or "＠" in text):
            found = _HANDLE.search(text)
        if found is not None:
            yield Signal(
                tactic="moving_platform",
                group="ask_handle",
                by=by,
                strength=0.3,
                messages=(message.id,),
                detector=self.name,
                because=found.group()[:80],
            )
