"""The words that leave the house. They hold no name, no message, no app and no child: whoever glances at a phone learns nothing."""

from __future__ import annotations

from jaga.store._deliveries import Letter
from jaga.words import Words

__all__ = ["text_of", "trial_text"]


def text_of(letter: Letter, say: Words, home: str) -> tuple[str, str]:
    """Title and body. `home` is the address of the family's pages."""
    link = say("Open it at home: {address}", address=home)
    if letter.digest:
        lines = [say("The summary of the week is ready.")]
        if letter.says == "level":
            lines.append(
                say.plural("{count} thing still needs you.", "{count} things still need you.", letter.count)
                if letter.count
                else say("Nothing needs you.")
            )
        if letter.silent:
            lines.append(say("Nothing new was brought in this week; Jaga sees only what it is given."))
        return say("Your week with Jaga"), " ".join([*lines, link])
    title = say.plural(
        "Jaga has something that needs you", "Jaga has {count} things that need you", max(letter.count, 1)
    )
    lines = []
    if letter.says == "level":
        lines.append(say("It is urgent.") if letter.urgent else say("It is not urgent."))
    return title, " ".join([*lines, link])


def trial_text(say: Words, home: str) -> tuple[str, str]:
    """Title and body of the message that shows that a channel works."""
    return (
        say("A trial by Jaga"),
        say("If you can read this, Jaga can reach you here.") + " " + say("Open it at home: {address}", address=home),
    )
