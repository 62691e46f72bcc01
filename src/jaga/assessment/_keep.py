"""How much of a relationship is kept: everything for a report on one family, a bounded part for a platform's millions."""

from __future__ import annotations

import msgspec

__all__ = ["COMPACT", "EVERYTHING", "Keep"]


class Keep(msgspec.Struct, frozen=True, kw_only=True):
    """Limits on what is only shown, or only lends context. None of them changes what a message is heard as by itself."""

    # Characters of a message's text kept with the evidence; the message's id is always kept.
    text: int = 500
    # Entries of the timeline. When there would be more, entries come to stand for two days each, then four, ...
    days: int | None = None
    # Conversations a relationship names; the newest stay.
    conversations: int | None = None
    # Characters of an earlier message that are remembered as context for the next one.
    context: int | None = None


EVERYTHING = Keep()
# So that a relationship's saved state fits in 4 KB (tests/assessment/test_state.py measures it). 300 characters hold the 24 words
# by which the learned ear hears an earlier message, in every language served.
COMPACT = Keep(text=120, days=64, conversations=8, context=300)
