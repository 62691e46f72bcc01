"""What stood before a message in its conversation, for ears that hear in context."""

from __future__ import annotations

import msgspec

from jaga.records import Message
from jaga.signals import ALONE, Actor, Before
from jaga.signals.encoder import LINES, line, window

__all__ = ["Threads"]

# Authors of one conversation whose last message is remembered: in a group of thousands memory must not grow with it.
_AUTHORS = 32


class _Thread:
    __slots__ = ("by_author", "child", "contact", "lines")

    def __init__(self) -> None:
        self.by_author: dict[str, Message] = {}
        self.child: Message | None = None
        self.contact: Message | None = None
        # The last lines of both sides, for the encoder.
        self.lines: list[str] = []


class Threads:
    """The last messages of every conversation. Bounded per conversation; constant work per message.

    `characters`: how much of a message's text is remembered; all of it when None. `lines`: whether what the encoder reads is.
    """

    def __init__(self, characters: int | None = None, *, lines: bool = False) -> None:
        self._characters = characters
        self._lines = lines
        self._threads: dict[str, _Thread] = {}

    def forget(self, conversation: str) -> None:
        """Let go of a conversation."""
        self._threads.pop(conversation, None)

    def before(self, message: Message, by: Actor) -> Before:
        """The context of `message`, which then becomes part of what follows. Ask once per message, in time order."""
        thread = self._threads.get(message.conversation)
        if thread is None:
            thread = self._threads[message.conversation] = _Thread()
        last = thread.by_author
        previous = last.pop(message.author, None)
        other = thread.contact if by == "child" else thread.child
        if message.text:
            if self._lines:
                thread.lines.append(line(message.text, by))
                if len(thread.lines) > LINES:
                    del thread.lines[0]
            if self._characters is not None:
                message = _short(message, self._characters)
            elif message.attachments:
                # Only words lend context; what an attachment is known as must not be kept, or saved, by the way.
                message = msgspec.structs.replace(message, attachments=())
            last[message.author] = message
            if len(last) > _AUTHORS:
                # The one who has been silent longest.
                del last[next(iter(last))]
            if by == "child":
                thread.child = message
            else:
                thread.contact = message
        elif previous is not None:
            last[message.author] = previous
        if previous is None and other is None:
            return ALONE
        return Before(previous=previous, other=other)

    def window(self, conversation: str) -> str:
        """What the encoder reads after the last message of a conversation: that one and what fits of those before it."""
        return window(self._threads[conversation].lines)


def _short(message: Message, characters: int) -> Message:
    if len(message.text) <= characters and not message.attachments and message.where is None:
        return message
    return msgspec.structs.replace(message, text=message.text[:characters], attachments=(), where=None)
