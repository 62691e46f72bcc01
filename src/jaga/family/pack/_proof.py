"""What a pack that verifies proves, and what it does not: said the same in the report, the read-me file and the command."""

from __future__ import annotations

from jaga.words import Words

__all__ = ["proof_words"]


def proof_words(say: Words) -> tuple[list[str], list[str]]:
    """(what a pack that verifies proves, what it does not)."""
    return (
        [
            say("Nothing in the pack was changed, added or taken away since it was signed with its key."),
            say("Whoever holds an original file can tell by its hash that it is the one that was read."),
        ],
        [
            say(
                "Who holds the key. Compare its fingerprint with the family by telephone or face to face, not by what came with the pack."
            ),
            say(
                "That the original file is complete and true: an app exports what it has, and a file can be changed before it is read."
            ),
            say("Who used an account, or what anybody meant."),
            say("When it was made: the time is that of the computer which made it."),
        ],
    )
