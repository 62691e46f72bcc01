"""The store's key and the passphrases that open it.

The store is encrypted with one random key. `keys.json` beside it holds that key several times over, each copy locked with something else:
a grown-up's passphrase, the recovery code of the household (the idea of LUKS key slots). A passphrase becomes a key by Argon2id (RFC 9106,
its second recommended setting: 64 MiB, three passes); the copy is locked with ChaCha20-Poly1305 (RFC 8439), the slot's name and
parameters being authenticated with it. So a passphrase can be changed, and a person removed, without writing the store anew.
"""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

import msgspec
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from jaga.errors import StoreError, UsageError, WrongPassphrase

__all__ = ["KEY_BYTES", "Keys", "recovery_code"]

KEY_BYTES = 32
_VERSION = 1
_SHORTEST = 10
# Letters and digits that nobody confuses on paper (Crockford's base 32).
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class _Slot(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    salt: bytes
    nonce: bytes
    locked: bytes
    memory_kib: int = 65536
    passes: int = 3
    lanes: int = 4


class _File(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    slots: dict[str, _Slot]


class Keys:
    """The slots of one store. Every change is written at once, and whole: a crash leaves the old file or the new one."""

    def __init__(self, path: Path, slots: dict[str, _Slot] | None = None) -> None:
        self.path = path
        self._slots = slots if slots is not None else {}

    @classmethod
    def load(cls, path: Path) -> Keys:
        """Raises: StoreError, if the file is missing or damaged."""
        try:
            found = msgspec.json.decode(path.read_bytes(), type=_File)
        except FileNotFoundError as error:
            raise StoreError(
                "the key file is missing", where=str(path), remedy="put it back from a backup; without it nothing opens"
            ) from error
        except (OSError, msgspec.DecodeError) as error:
            raise StoreError(f"the key file cannot be read: {error}", where=str(path)) from error
        if found.version != _VERSION:
            raise StoreError("the key file is of a later version of Jaga", where=str(path))
        return cls(path, dict(found.slots))

    @property
    def slots(self) -> tuple[str, ...]:
        return tuple(self._slots)

    def lock(self, name: str, key: bytes, passphrase: str, *, kind: str = "passphrase") -> None:
        """Put `key` into the slot `name`, to be opened by `passphrase`. Raises: UsageError for a short one; StoreError."""
        if kind == "passphrase" and len(passphrase) < _SHORTEST:
            raise UsageError(
                f"a passphrase has at least {_SHORTEST} characters",
                remedy="four or five words are easy to keep in mind",
            )
        salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
        slot = _Slot(kind=kind, salt=salt, nonce=nonce, locked=b"")
        locked = ChaCha20Poly1305(_derive(passphrase, slot)).encrypt(nonce, key, _bound(name, slot))
        before = dict(self._slots)
        self._slots[name] = msgspec.structs.replace(slot, locked=locked)
        try:
            self._write()
        except StoreError:
            self._slots = before
            raise

    def unlock(self, passphrase: str, name: str | None = None) -> bytes:
        """The key, from the slot `name` or whichever fits. Raises: WrongPassphrase."""
        for slot_name, slot in self._slots.items():
            if name is not None and slot_name != name:
                continue
            try:
                return ChaCha20Poly1305(_derive(passphrase, slot)).decrypt(
                    slot.nonce, slot.locked, _bound(slot_name, slot)
                )
            except InvalidTag:
                continue
        raise WrongPassphrase("the passphrase does not fit", where=str(self.path))

    def drop(self, name: str) -> None:
        """Forget a slot. Whoever had it may have kept the key itself: see Store.change_key. Raises: UsageError for the last one."""
        if name in self._slots and len(self._slots) == 1:
            raise UsageError("the last passphrase cannot be removed", remedy="add another one first")
        if self._slots.pop(name, None) is not None:
            self._write()

    def _write(self) -> None:
        raw = msgspec.json.format(msgspec.json.encode(_File(version=_VERSION, slots=self._slots)))
        temporary = self.path.with_suffix(".new")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self.path)
        except OSError as error:
            raise StoreError(f"the key file cannot be written: {error.strerror}", where=str(self.path)) from error


def recovery_code() -> str:
    """A code to write down, such as 7K2M-…: eight groups of four, 160 bits."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(32))
    return "-".join(letters[at : at + 4] for at in range(0, 32, 4))


def _typed(passphrase: str, kind: str) -> str:
    if kind != "recovery":
        return passphrase
    # As people copy from paper: small letters, spaces, O for 0.
    plain = "".join(letter for letter in passphrase.upper() if letter.isalnum())
    return plain.replace("O", "0").replace("I", "1").replace("L", "1")


def _derive(passphrase: str, slot: _Slot) -> bytes:
    return hash_secret_raw(
        _typed(passphrase, slot.kind).encode(),
        slot.salt,
        time_cost=slot.passes,
        memory_cost=slot.memory_kib,
        parallelism=slot.lanes,
        hash_len=KEY_BYTES,
        type=Type.ID,
    )


def _bound(name: str, slot: _Slot) -> bytes:
    salt = base64.b64encode(slot.salt).decode()
    return f"jaga slot {name} {slot.kind} {salt} {slot.memory_kib} {slot.passes} {slot.lanes}".encode()
