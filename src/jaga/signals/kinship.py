"""Hears that the child speaks to a parent or grandparent: "ma, ...", "... ya abah", "妈，...".

A chat with one's mother holds "who is home", "lock the door" and "send me a photo" by the dozen. It lowers, it never clears:
whoever lets himself be called papa is not one, so its strength is low and only the child's own words count.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from jaga.records import Message
from jaga.signals._base import Actor, Signal

__all__ = ["Kinship"]

_LATIN = (
    "ma|mak|mama|mami|mum|mummy|mom|mommy|ibu|umi|ummi|abah|ayah|abi|papa|pa|dad|daddy|walid|atok|tok|nenek|opah|wan|"
    "grandma|grandpa|nana|gong gong|ah gong|po po|ah ma|amma|appa|thatha|paati|paatti|ammachi"
)
_TAMIL = "அம்மா|அப்பா|தாத்தா|பாட்டி|அம்மாச்சி"
_HAN = "妈妈?|媽媽?|妈咪|媽咪|爸爸?|爹地|老爸|老妈|老媽|爷爷|爺爺|奶奶|公公|婆婆|外公|外婆|阿公|阿嬷|阿嬤|阿妈|阿爸"
_CALLED = re.compile(
    rf"^(?:(?:ok(?:ay)?|hi|hello|ya|no|tak|alah|alaa|please|sorry)[ ,]+)?(?:{_LATIN}|{_TAMIL})(?:[ ,.!?~…]|$)"
    rf"|[ ,](?:{_LATIN}|{_TAMIL})[ .!?~…🙏❤😊😘]*$"
    rf"|^(?:{_HAN})(?:[ ,，。!！?？~～啊呀哦]|$)"
    rf"|[,， ](?:{_HAN})[ 。!！?？~～]*$",
    re.IGNORECASE,
)

# The part of it that stands at the start, and the last words of those that stand at the end.
_BEGINS = re.compile(_CALLED.pattern.partition("|[ ,]")[0], re.IGNORECASE)
_ENDS = frozenset(name.rpartition(" ")[2] for name in _LATIN.split("|"))
_BEHIND = " .!?~\n"


def _may_call(text: str) -> bool:
    """False only where `_CALLED` finds nothing: it is tried at every character of a message, and few call anyone."""
    if not text.isascii():
        return True
    end = text.rstrip(_BEHIND)
    last = end[max(end.rfind(" "), end.rfind(",")) + 1 :]
    return last.lower() in _ENDS or _BEGINS.match(text) is not None


class Kinship:
    """One low signal of protection per message in which the child calls a parent or grandparent."""

    name = "kinship"

    def hear(self, message: Message, by: Actor) -> Iterator[Signal]:
        """Yield at most one signal."""
        text = message.text
        if by != "child" or len(text) > 500 or not _may_call(text):
            return
        if not text.isascii():
            # Full-width letters and marks are the same letters and marks.
            text = unicodedata.normalize("NFKC", text)
        found = _CALLED.search(text)
        if found is not None:
            yield Signal(
                tactic="protective",
                group="family",
                by=by,
                strength=0.3,
                messages=(message.id,),
                detector=self.name,
                because=found.group().strip()[:40],
            )
