"""House rules to begin from: for the child, and as many for the parents. A family takes what fits and adds its own."""

from __future__ import annotations

from jaga.words import Words

__all__ = ["KEYS", "PROMISES", "RULES", "rule_words"]

# What the family keeps is the key, so that the agreement can be printed in another language; its own words are kept as written.
PREFIX = "jaga:"
RULES = ("strangers", "pictures", "meeting", "secrets", "accounts", "night", "tell")
PROMISES = ("calm", "not_all", "together", "no_blame", "devices", "change")
KEYS = tuple(f"{PREFIX}{name}" for name in (*RULES, *PROMISES))


def _texts(say: Words) -> dict[str, str]:
    return {
        "strangers": say("I talk online mostly with people I know from real life. With others I give no name of my school, address or telephone number."),
        "pictures": say("I send nobody a picture that I would not show at the dinner table, whoever asks and whatever they promise."),
        "meeting": say("I meet somebody I know only from online only with one of my parents."),
        "secrets": say("If somebody wants me to keep a secret from my parents, I tell my parents that somebody asked."),
        "accounts": say("I tell my parents which accounts I have."),
        "night": say("At night my telephone sleeps outside my room."),
        "tell": say("If something feels strange or frightens me, I come, even if I did something that was not allowed."),
        "calm": say("I stay calm when you tell me something. You are not punished for telling."),
        "not_all": say("I do not read your chats. I look only at what Jaga shows me, and you can see when I looked."),
        "together": say("We bring in the chats together, and you may ask at any time what Jaga knows."),
        "no_blame": say("If somebody takes advantage of you, it is their fault and never yours."),
        "devices": say("I do not take your telephone away because you asked for help."),
        "change": say("We look at this agreement again every half year. As you get older I see less."),
    }  # fmt: skip


def rule_words(say: Words, rule: str) -> str:
    """A rule in this language, or the family's own words."""
    return _texts(say).get(rule.removeprefix(PREFIX), rule) if rule.startswith(PREFIX) else rule
