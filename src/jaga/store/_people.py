"""The people of a household: who may log in, how each proves it, and how one comes in or is let go.

A parent's passphrase does two things: it logs in (its Argon2id string stands with the person) and it opens the store after a restart (a key
slot, store._keys). A guardian and a child only log in: they have no slot, so what they know opens nothing on a copied disk.

Every failed try is counted before the passphrase is looked at, so that many tries at once are counted too. Tries from a browser the person
has used before (Device) are counted apart from those of strangers: whoever guesses at a name cannot keep its owner out.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

import msgspec
import pyotp
import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import orm

from jaga.errors import UsageError
from jaga.store._audit import audit
from jaga.store._database import Store
from jaga.store._keys import SHORTEST, Cost, recovery_code
from jaga.store._tables import Channel, Device, Invitation, Passkey, Person, Session

__all__ = [
    "FREE_TRIES",
    "LONGEST_WAIT",
    "RECOVERY",
    "LogIn",
    "Removed",
    "accept_invitation",
    "add_person",
    "check_code",
    "check_passphrase",
    "end_sessions",
    "find_invitation",
    "forget_device",
    "grown_ups",
    "invite",
    "log_in",
    "new_recovery_code",
    "new_slot",
    "new_totp_secret",
    "remember_device",
    "remove_person",
    "set_passphrase",
    "tidy_slots",
    "totp_uri",
    "verify",
    "wait_for",
]

# The name of the slot that the recovery code opens.
RECOVERY = "recovery"
# What the slots of people begin with; others (the recovery code, the keyring of a machine) are not theirs.
_PERSONS = "person-"
# After so many failed tries each further one makes the next wait longer: 30 s, 1 min, 2 min ... up to 15 min.
FREE_TRIES = 5
LONGEST_WAIT = timedelta(minutes=15)
_FIRST_WAIT = timedelta(seconds=30)
_LONGEST_PASSPHRASE = 256
# zxcvbn's scale 0 to 4; 2 stands a guess on line, 3 one on a stolen file that Argon2id slows down (Wheeler 2016).
_STRONG_ENOUGH = 3
_CODE_PERIOD_S = 30
_INVITED_FOR = timedelta(hours=48)
Role = Literal["parent", "guardian", "child"]

# Each run of Argon2id takes 64 MiB: one at a time, or many tries at once would take a small machine's memory.
_one_at_a_time = threading.Lock()


class LogIn(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a try. `person`: whose passphrase it was, else None. `removed`: it was right, but the person is no longer of the family."""

    person: int | None = None
    removed: bool = False
    # Another step is asked for: a code of the authenticator app.
    code_needed: bool = False
    # Told only to a browser that the person has used before.
    wait_until: datetime | None = None


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """`recovery`: the new recovery code, if one had to be made because whoever went may know the old one."""

    recovery: str | None


def new_slot() -> str:
    """A name for a key slot: never used before, so that an old passphrase is never taken for a new one."""
    return f"{_PERSONS}{secrets.token_hex(6)}"


def check_passphrase(passphrase: str, names: Iterable[str] = (), *, shortest: int = SHORTEST) -> None:
    """Raises: UsageError for one that is too short, too long, or easily guessed (zxcvbn, with the family's names as known words)."""
    if len(passphrase) < shortest:
        raise UsageError(
            f"a passphrase has at least {shortest} characters", remedy="four or five words are easy to keep in mind"
        )
    if len(passphrase) > _LONGEST_PASSPHRASE:
        raise UsageError(f"a passphrase has at most {_LONGEST_PASSPHRASE} characters", remedy="choose a shorter one")
    # Lists of common words: loaded only where a passphrase is chosen.
    from zxcvbn import zxcvbn

    enough = _STRONG_ENOUGH if shortest >= SHORTEST else _STRONG_ENOUGH - 1
    if zxcvbn(passphrase[:72], user_inputs=["jaga", *names])["score"] < enough:
        raise UsageError(
            "this passphrase is easy to guess", remedy="take four or five words that do not belong together"
        )


def _hasher(cost: Cost) -> PasswordHasher:
    return PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes)


def _hash(passphrase: str, cost: Cost) -> str:
    with _one_at_a_time:
        return _hasher(cost).hash(passphrase)


# What a try is compared with where there is nobody of that name: as long as with somebody. Keyed by cost.
_nobody: dict[Cost, str] = {}


def _fits(stored: str | None, passphrase: str, cost: Cost) -> bool:
    if stored is None:
        if cost not in _nobody:
            _nobody[cost] = _hash(secrets.token_urlsafe(), cost)
        stored = _nobody[cost]
    try:
        with _one_at_a_time:
            return _hasher(cost).verify(stored, passphrase[: 4 * _LONGEST_PASSPHRASE])
    except (VerificationError, InvalidHashError):
        return False


def verify(store: Store, person: Person, passphrase: str) -> bool:
    """Whether it is this person's passphrase: asked again before something that cannot be undone. Call it outside of a session."""
    return _fits(person.passphrase, passphrase, store.keys.cost)


# ------------------------------------------------------------ coming in


def add_person(
    store: Store,
    session: orm.Session,
    family_id: int,
    name: str,
    role: Role,
    *,
    passphrase: str,
    language: str,
    by: int | None,
    now: datetime,
    child: int | None = None,
    slot: str | None = None,
) -> Person:
    """Somebody who may log in. `slot`: the parent's, if it is locked already. Raises: UsageError for a name that is taken; StoreError."""
    name = " ".join(name.split())
    if not name or len(name) > 80:
        raise UsageError("a name has 1 to 80 characters", remedy="give another name")
    people = session.scalars(sa.select(Person).where(Person.family == family_id, Person.removed_at.is_(None))).all()
    if any(one.name.casefold() == name.casefold() for one in people):
        raise UsageError(f"there is a {name} in the family already", remedy="add a second name, to tell them apart")
    if role == "parent" and slot is None:
        slot = new_slot()
        store.keys.lock(slot, store.key, passphrase)
    person = Person(
        family=family_id,
        role=role,
        name=name,
        language=language,
        child=child,
        passphrase=_hash(passphrase, store.keys.cost),
        slot=slot,
        totp_secret=None,
        totp_step=None,
        locked_until=None,
        created_at=now,
        removed_at=None,
    )
    session.add(person)
    session.flush()
    audit(session, "person.added", at=now, family=family_id, person=by, subject=f"person:{person.id}", role=role)
    return person


def set_passphrase(
    store: Store, session: orm.Session, person: Person, passphrase: str, *, by: int | None, now: datetime
) -> None:
    """A new passphrase; with it every other log-in ends. The old slot stays until `tidy_slots`, so that a crash leaves one that opens."""
    if person.role == "parent":
        slot = new_slot()
        store.keys.lock(slot, store.key, passphrase)
        person.slot = slot
    person.passphrase = _hash(passphrase, store.keys.cost)
    person.failures, person.locked_until = 0, None
    audit(
        session,
        "passphrase.changed",
        at=now,
        family=person.family,
        person=by,
        subject=f"person:{person.id}",
    )


def tidy_slots(store: Store) -> None:
    """Forget the slots that belong to nobody: left over by a crash, a changed passphrase, or somebody who was removed."""
    with store.session(read_only=True) as session:
        wanted = {
            RECOVERY,
            *session.scalars(sa.select(Person.slot).where(Person.slot.is_not(None), Person.removed_at.is_(None))),
        }
    # A store without people is one whose setting-up was cut short: the only slot is its maker's.
    if wanted == {RECOVERY}:
        return
    for slot in store.keys.slots:
        if slot.startswith(_PERSONS) and slot not in wanted:
            store.keys.drop(slot)


def new_recovery_code(store: Store, session: orm.Session, *, family: int, by: int | None, now: datetime) -> str:
    """A recovery code; the one before opens nothing any more. Raises: StoreError."""
    code = recovery_code()
    store.keys.lock(RECOVERY, store.key, code, kind="recovery")
    audit(session, "recovery.made", at=now, family=family, person=by)
    return code


# ------------------------------------------------------------ logging in


def wait_for(failures: int) -> timedelta:
    """How long the next try waits after so many failed ones."""
    if failures < FREE_TRIES:
        return timedelta(0)
    wait: timedelta = _FIRST_WAIT * 2 ** min(failures - FREE_TRIES, 16)
    return min(wait, LONGEST_WAIT)


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _known(session: orm.Session, person: Person, device: str | None) -> Device | None:
    if device is None:
        return None
    return session.scalar(sa.select(Device).where(Device.token == _digest(device), Device.person == person.id))


def _count(session: orm.Session, person: Person, device: str | None, now: datetime) -> tuple[bool, datetime | None]:
    """Count a try beforehand. Gives whether it may be looked at, and, to a known browser, until when it has to wait."""
    known = _known(session, person, device)
    counted: Person | Device = known if known is not None else person
    if counted.locked_until is not None and now < counted.locked_until:
        return False, counted.locked_until if known is not None else None
    counted.failures += 1
    wait = wait_for(counted.failures)
    counted.locked_until = now + wait if wait else None
    return True, counted.locked_until if known is not None else None


def _clear(session: orm.Session, person: Person, device: str | None) -> None:
    known = _known(session, person, device)
    counted: Person | Device = known if known is not None else person
    counted.failures, counted.locked_until = 0, None


def log_in(store: Store, name: str, passphrase: str, *, device: str | None, now: datetime) -> LogIn:
    """Try a name and a passphrase. Whoever has no code to give (`code_needed`) is in; else see `check_code`."""
    wanted = " ".join(name.split()).casefold()
    allowed: list[Person] = []
    wait: datetime | None = None
    with store.session() as session:
        people = [one for one in session.scalars(sa.select(Person)) if one.name.casefold() == wanted]
        for one in people:
            may, until = _count(session, one, device, now)
            if may:
                allowed.append(one)
            wait = until if until is not None else wait
    found = next((one for one in allowed if verify(store, one, passphrase)), None)
    if not allowed:
        _fits(None, passphrase, store.keys.cost)
    with store.session() as session:
        if found is None:
            for one in allowed:
                audit(session, "login.failed", at=now, family=one.family, person=one.id, known=device is not None)
            if not people and _is_time(store, now):
                audit(session, "login.failed", at=now, nobody=True)
            return LogIn(wait_until=wait)
        for one in allowed:
            row = session.get(Person, one.id)
            assert row is not None
            # With a second step to come the count stays: codes must not be tried without end.
            if row.id == found.id and (row.totp_secret is None or row.removed_at is not None):
                _clear(session, row, device)
            if row.id == found.id and _hasher(store.keys.cost).check_needs_rehash(row.passphrase or ""):
                row.passphrase = _hash(passphrase, store.keys.cost)
        if found.removed_at is not None:
            audit(session, "login.removed", at=now, family=found.family, person=found.id)
            return LogIn(person=found.id, removed=True)
    return LogIn(person=found.id, code_needed=found.totp_secret is not None)


# When a try with a name that nobody has was last written down: once a minute is enough, the audit never shrinks.
_written: dict[str, datetime] = {}


def _is_time(store: Store, now: datetime) -> bool:
    last = _written.get(str(store.folder))
    if last is not None and abs(now - last) < timedelta(minutes=1):
        return False
    _written[str(store.folder)] = now
    return True


def new_totp_secret() -> str:
    """160 random bits, as RFC 4226 (4, R6) recommends."""
    return pyotp.random_base32(32)


def totp_uri(secret: str, name: str) -> str:
    """What the QR code for an authenticator app says."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="Jaga")


def code_step(secret: str, code: str, now: datetime, after: int | None) -> int | None:
    """The time step that a code belongs to: this one, the one before or after; None if to none of them, or to one not after `after`.

    Source: RFC 6238, 5.2 (one step of tolerance; no code is taken twice).
    """
    digits = "".join(code.split())
    totp = pyotp.TOTP(secret, interval=_CODE_PERIOD_S)
    current = int(now.timestamp()) // _CODE_PERIOD_S
    found = None
    for step in (current - 1, current, current + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode(), digits.encode("utf-8", "replace")):
            found = step
    return found if found is not None and (after is None or found > after) else None


def check_code(store: Store, person_id: int, code: str, *, device: str | None, now: datetime) -> bool:
    """The second step. A wrong code counts as a wrong passphrase does; a right one clears the count and is never taken again."""
    with store.session() as session:
        person = session.get(Person, person_id)
        if person is None or person.totp_secret is None or person.removed_at is not None:
            return False
        may, _ = _count(session, person, device, now)
        step = code_step(person.totp_secret, code, now, person.totp_step) if may else None
        if step is None:
            if may:
                audit(session, "login.failed", at=now, family=person.family, person=person.id, code=True)
            return False
        person.totp_step = step
        _clear(session, person, device)
        return True


def remember_device(session: orm.Session, person: int, device: str | None, now: datetime) -> str:
    """Note that this browser is the person's; the token for its cookie (the one it has, if it is known)."""
    if device is not None:
        known = session.scalar(sa.select(Device).where(Device.token == _digest(device), Device.person == person))
        if known is not None:
            known.used_at = now
            return device
    token = secrets.token_urlsafe(32)
    session.add(Device(person=person, token=_digest(token), locked_until=None, created_at=now, used_at=now))
    return token


def forget_device(session: orm.Session, person: int) -> None:
    """No browser is known any more: after a changed passphrase or a removal."""
    session.execute(sa.delete(Device).where(Device.person == person))


def end_sessions(session: orm.Session, person: int, *, now: datetime, but: int | None = None) -> int:
    """End a person's log-ins, all but `but`. Gives how many."""
    rows = session.scalars(
        sa.select(Session).where(Session.person == person, Session.ended_at.is_(None), Session.id != (but or 0))
    ).all()
    for row in rows:
        row.ended_at = now
    return len(rows)


# ------------------------------------------------------------ more than one grown-up


def grown_ups(session: orm.Session, family: int) -> Sequence[Person]:
    """The parents and guardians who are in, in the order they came."""
    return session.scalars(
        sa.select(Person)
        .where(Person.family == family, Person.role.in_(("parent", "guardian")), Person.removed_at.is_(None))
        .order_by(Person.id)
    ).all()


def invite(
    session: orm.Session, family_id: int, name: str, role: Literal["parent", "guardian"], *, by: int, now: datetime
) -> str:
    """A code for another grown-up, good once and for 48 hours. Raises: UsageError."""
    name = " ".join(name.split())
    if not name or len(name) > 80:
        raise UsageError("a name has 1 to 80 characters", remedy="give another name")
    if any(one.name.casefold() == name.casefold() for one in grown_ups(session, family_id)):
        raise UsageError(f"there is a {name} in the family already", remedy="add a second name, to tell them apart")
    code = "-".join(recovery_code().split("-")[:3])
    session.add(
        Invitation(
            family=family_id,
            role=role,
            name=name,
            code=_digest(plain(code)),
            by=by,
            created_at=now,
            ends_at=now + _INVITED_FOR,
            used_at=None,
        )
    )
    session.flush()
    audit(session, "person.invited", at=now, family=family_id, person=by, role=role)
    return code


def plain(code: str) -> str:
    """A code as typed from paper: without gaps, capitals, and the letters that are taken for digits."""
    text = "".join(letter for letter in code.upper() if letter.isalnum())
    return text.replace("O", "0").replace("I", "1").replace("L", "1")


def find_invitation(session: orm.Session, code: str, now: datetime) -> Invitation | None:
    """The invitation that this code belongs to, if it still holds and whoever made it is still a parent here."""
    found = session.scalar(sa.select(Invitation).where(Invitation.code == _digest(plain(code))))
    if found is None or found.used_at is not None or now >= found.ends_at:
        return None
    by = session.get(Person, found.by)
    return None if by is None or by.removed_at is not None else found


def accept_invitation(
    store: Store, session: orm.Session, code: str, *, passphrase: str, language: str, now: datetime
) -> Person:
    """Come in by a code. Raises: UsageError, also where the code does not hold (any more)."""
    invitation = find_invitation(session, code, now)
    if invitation is None:
        raise UsageError("this code does not hold, or not any more", remedy="ask whoever invited you for a new one")
    invitation.used_at = now
    return add_person(
        store,
        session,
        invitation.family,
        invitation.name,
        "parent" if invitation.role == "parent" else "guardian",
        passphrase=passphrase,
        language=language,
        by=invitation.by,
        now=now,
    )


def remove_person(session: orm.Session, person: Person, *, by: int, now: datetime) -> None:
    """Let somebody go: their log-ins end, their passkeys, browsers, codes and channels are forgotten.

    What they did stays in the audit, and their passphrase's hash stays, so that they are told plainly when they come again. The caller
    then calls `tidy_slots`, and for a parent changes the key of the store (Store.change_key) and makes a new recovery code: whoever went
    may have kept both. Raises: UsageError for the last parent.
    """
    if person.role == "parent":
        parents = [one for one in grown_ups(session, person.family) if one.role == "parent"]
        if [one.id for one in parents] == [person.id]:
            raise UsageError(
                "the last parent cannot be removed", remedy="invite another parent first, or delete the family"
            )
    person.removed_at, person.slot, person.totp_secret = now, None, None
    end_sessions(session, person.id, now=now)
    forget_device(session, person.id)
    session.execute(sa.delete(Passkey).where(Passkey.person == person.id))
    # Else they would go on being told.
    session.execute(sa.delete(Channel).where(Channel.person == person.id))
    for one in session.scalars(sa.select(Invitation).where(Invitation.by == person.id, Invitation.used_at.is_(None))):
        one.used_at = now
    audit(
        session,
        "person.removed",
        at=now,
        family=person.family,
        person=by,
        subject=f"person:{person.id}",
        role=person.role,
    )
