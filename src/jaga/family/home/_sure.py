"""How sure: what a score means, in words and as it was measured (docs/how-sure.md; the test compares the two)."""

from __future__ import annotations

import functools
from importlib import resources

import msgspec

from jaga.words import Words

__all__ = ["Measured", "measured", "sure_words"]

# A share of fewer conversations than this is chance.
_FEW = 5


class _Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    # Scores from here to below the next step's.
    score: float
    conversations: int
    risky: float


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of conversations with such a score, how many were risky, on `data`."""

    schema: int
    data: str
    steps: tuple[_Step, ...]


@functools.cache
def measured() -> Measured:
    raw = (resources.files("jaga.family.home") / "measured.toml").read_bytes()
    return msgspec.toml.decode(raw, type=Measured)


def sure_words(say: Words, score: float) -> list[str]:
    """Sentences, the plainest first; never a verdict."""
    lines = [
        say("Strong signs: several that go together.")
        if score >= 0.9
        else say("Clear signs, but such talk can also be harmless.")
        if score >= 0.7
        else say("Weak signs: more often than not there is a harmless reason.")
    ]
    step = max((one for one in measured().steps if one.score <= score), key=lambda one: one.score)
    if step.conversations >= _FEW:
        lines.append(
            say(
                "Score {score}: of {count} test conversations with such a score, {share} % were risky.",
                score=f"{score:.2f}",
                count=step.conversations,
                share=round(100 * step.risky),
            )
        )
    else:
        lines.append(
            say("Score {score}: too few test conversations had such a score to say more.", score=f"{score:.2f}")
        )
    lines.append(
        say("Those conversations were invented. In a real family most chats are harmless, so a score means less there.")
    )
    return lines
