"""What the audit's words mean, for its readers: the grown-ups, and the child."""

from __future__ import annotations

from jaga.words import Words, words

__all__ = ["DEEDS", "LOOKS", "deed_words"]

# Deeds that are a look at something of the child's: what "who looked" shows first, and the child always sees.
LOOKS = frozenset(
    {"alert.seen", "alert.messages", "alert.messages.around", "child.posts", "exported", "pack.made", "backup.made"}
)


def _texts(say: Words) -> dict[str, str]:
    return {
        "alert.seen": say("opened an alert"),
        "alert.messages": say("read the messages that show it"),
        "alert.messages.around": say("read two lines around them"),
        "alert.fine": say("answered: this is fine"),
        "alert.talked": say("answered: we talked"),
        "alert.reported": say("answered: reported"),
        "alert.withdrawn": say("took an answer back"),
        "alert.answer_withdrawn": say("took an answer back"),
        "alert.raised": say("told of something"),
        "backup.made": say("made a backup"),
        "backup.restored": say("restored a backup"),
        "channel.added": say("added a way to be told"),
        "channel.changed": say("changed a way to be told"),
        "channel.removed": say("removed a way to be told"),
        "channel.tried": say("sent a trial message"),
        "child.added": say("added a child"),
        "child.changed": say("changed what is known of a child"),
        "child.consent": say("chose what parents may see"),
        "child.erased": say("erased everything about a child"),
        "child.posts": say("read the child's public posts that give something away"),
        "child.told": say("noted that the child was told"),
        "code.off": say("switched the code app off"),
        "code.on": say("switched the code app on"),
        "contact.known": say("marked somebody as known"),
        "contact.protected": say("named somebody who is never read"),
        "contact.unknown": say("took somebody off the list of people you know"),
        "delivery.given_up": say("could not send a message"),
        "delivery.sent": say("sent a message that something needs you"),
        "exported": say("saved everything about the family to a file"),
        "family.added": say("set Jaga up"),
        "import.asked": say("brought in an export"),
        "import.child_named": say("said who is the child in an export"),
        "import.done": say("read an export"),
        "import.failed": say("could not read an export"),
        "judged.anew": say("judged anew after older messages came in"),
        "key.changed": say("encrypted everything anew"),
        "login": say("logged in"),
        "login.failed": say("a log-in that failed"),
        "login.removed": say("tried to log in after being removed"),
        "messages.dropped": say("dropped old messages"),
        "pack.asked": say("asked for an evidence pack"),
        "pack.made": say("saved an evidence pack"),
        "passkey.added": say("added a passkey"),
        "passkey.removed": say("removed a passkey"),
        "passphrase.changed": say("set a passphrase"),
        "person.added": say("came into the family's Jaga"),
        "person.invitation_withdrawn": say("withdrew an invitation"),
        "person.invited": say("invited another grown-up"),
        "person.removed": say("removed a grown-up"),
        "recovery.failed": say("a recovery code that did not fit"),
        "recovery.made": say("made a recovery code"),
        "recovery.used": say("used the recovery code"),
        "sessions.ended": say("ended other log-ins"),
        "settings.changed": say("changed the settings"),
        "store.unlocked": say("unlocked Jaga after a start"),
        "watched.added": say("let Jaga watch a folder"),
        "watched.removed": say("stopped watching a folder"),
    }


# Every deed there are words for; a test compares it with what the code writes down.
DEEDS = frozenset(_texts(words("en")))


def deed_words(say: Words, what: str) -> str:
    """What was done, as the rest of a sentence that begins with who did it; the word itself for one of a later version."""
    return _texts(say).get(what, what)
