"""The store's key and the passphrases that open it.

The store is encrypted with one random key. `keys.json` beside it holds that key several times over, once for each slot: a grown-up's
passphrase, the recovery code of the household (the idea of LUKS key slots). A slot has an X25519 pair (RFC 7748). Its private
half is locked with a key made of the passphrase by Argon2id (RFC 9106, its second recommended setting: 64 MiB, three passes); the store's key is
sealed to the public half (ephemeral X25519, HKDF-SHA-256, ChaCha20-Poly1305: RFC 5869, RFC 8439). So a passphrase can be changed
without writing the store anew, and the store's key can be changed without asking everyone for their passphrase. A slot's name and parameters
are authenticated with what it holds.
"""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

import msgspec
from argon2.low_level import Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from jaga.errors import StoreError, UsageError, WrongPassphrase
from jaga.files import whole_file

__all__ = ["KEY_BYTES", "SHORTEST", "STANDARD", "Cost", "Keys", "recovery_code"]

KEY_BYTES = 32
_VERSION = 1
SHORTEST = 10
# Letters and digits that nobody confuses on paper (Crockford's base 32).
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Each sealing has a key of its own, so its nonce may be the same.
_ONCE = bytes(12)


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What Argon2id has to do for one guess at a passphrase. Tests take less than STANDARD; nothing else does."""

    memory_kib: int
    passes: int
    lanes: int


STANDARD = Cost(memory_kib=65536, passes=3, lanes=4)


class _Slot(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    salt: bytes
    nonce: bytes
    # The private half, locked with the passphrase.
    locked: bytes
    public: bytes
    # The store's key, sealed to the public half; and the one that it is being changed to.
    sealed: bytes
    next: bytes | None = None
    memory_kib: int
    passes: int
    lanes: int


class _File(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    slots: dict[str, _Slot]


class Keys:
    """The slots of one store. Every change is written at once, and whole: a crash leaves the old file or the new one."""

    def __init__(self, path: Path, slots: dict[str, _Slot] | None = None, *, cost: Cost = STANDARD) -> None:
        self.path = path
        self.cost = cost
        self._slots = slots if slots is not None else {}

    @classmethod
    def load(cls, path: Path) -> Keys:
        """Raises: StoreError, if the file is missing or damaged."""
        try:
            raw = path.read_bytes()
        except FileNotFoundError as error:
            raise StoreError(
                "the key file is missing", where=str(path), remedy="put it back from a backup; without it nothing opens"
            ) from error
        except OSError as error:
            raise StoreError(f"the key file cannot be read: {error.strerror}", where=str(path)) from error
        return cls.of(raw, path)

    @classmethod
    def of(cls, raw: bytes, path: Path) -> Keys:
        """The slots that a key file's content holds. Raises: StoreError, if it is damaged."""
        try:
            found = msgspec.json.decode(raw, type=_File)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StoreError(
                f"the key file cannot be read: {error}", where=str(path), remedy="put it back from a backup"
            ) from error
        if found.version != _VERSION:
            raise StoreError("the key file is of a later version of Jaga", where=str(path), remedy="update Jaga")
        return cls(path, dict(found.slots))

    @property
    def slots(self) -> tuple[str, ...]:
        return tuple(self._slots)

    def lock(self, name: str, key: bytes, passphrase: str, *, kind: str = "passphrase") -> None:
        """Put `key` into the slot `name`, to be opened by `passphrase`. Raises: UsageError for a short one; StoreError."""
        if kind == "passphrase" and len(passphrase) < SHORTEST:
            raise UsageError(
                f"a passphrase has at least {SHORTEST} characters",
                remedy="four or five words are easy to keep in mind",
            )
        private = X25519PrivateKey.generate()
        slot = _Slot(
            kind=kind,
            salt=secrets.token_bytes(16),
            nonce=secrets.token_bytes(12),
            locked=b"",
            public=private.public_key().public_bytes_raw(),
            sealed=b"",
            memory_kib=self.cost.memory_kib,
            passes=self.cost.passes,
            lanes=self.cost.lanes,
        )
        locked = ChaCha20Poly1305(_derive(passphrase, slot)).encrypt(
            slot.nonce, private.private_bytes_raw(), _bound(name, slot)
        )
        self._change({**self._slots, name: msgspec.structs.replace(slot, locked=locked, sealed=_seal(name, slot, key))})

    def unlock(self, passphrase: str, name: str | None = None) -> bytes:
        """The key, from the slot `name` or whichever fits. Raises: WrongPassphrase."""
        return self.candidates(passphrase, name)[0]

    def candidates(self, passphrase: str, name: str | None = None) -> tuple[bytes, ...]:
        """As `unlock`; with the key that a change which did not end was going to, if there is one."""
        return self.find(passphrase, name)[1]

    def find(self, passphrase: str, name: str | None = None) -> tuple[str, tuple[bytes, ...]]:
        """As `candidates`, with the name of the slot that the passphrase fitted before them."""
        for slot_name, slot in self._slots.items():
            if name is not None and slot_name != name:
                continue
            try:
                private = X25519PrivateKey.from_private_bytes(
                    ChaCha20Poly1305(_derive(passphrase, slot)).decrypt(
                        slot.nonce, slot.locked, _bound(slot_name, slot)
                    )
                )
                return slot_name, tuple(
                    _unseal(slot_name, slot, private, sealed)
                    for sealed in (slot.sealed, slot.next)
                    if sealed is not None
                )
            except InvalidTag:
                continue
        raise WrongPassphrase("the passphrase does not fit", where=str(self.path))

    def drop(self, name: str) -> None:
        """Forget a slot. Whoever had it may have kept the key itself: see change_key. Raises: UsageError for the last one."""
        if name not in self._slots:
            return
        if len(self._slots) == 1:
            raise UsageError("the last passphrase cannot be removed", remedy="add another one first")
        self._change({one: slot for one, slot in self._slots.items() if one != name})

    def propose(self, key: bytes) -> None:
        """Beside the present key, seal another one to every slot: the store is about to be changed to it."""
        self._change(
            {name: msgspec.structs.replace(slot, next=_seal(name, slot, key)) for name, slot in self._slots.items()}
        )

    def settle(self, *, changed: bool) -> None:
        """End a change: take the proposed key for the present one if the store was `changed`; let go of the other."""
        self._change(
            {
                name: msgspec.structs.replace(
                    slot, sealed=slot.next if changed and slot.next is not None else slot.sealed, next=None
                )
                for name, slot in self._slots.items()
            }
        )

    def encoded(self) -> bytes:
        """The content of the key file."""
        return msgspec.json.format(msgspec.json.encode(_File(version=_VERSION, slots=self._slots)))

    def _change(self, slots: dict[str, _Slot]) -> None:
        before, self._slots = self._slots, slots
        try:
            self._write()
        except StoreError:
            self._slots = before
            raise

    def _write(self) -> None:
        try:
            with whole_file(self.path) as file:
                file.write(self.encoded())
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
    return (
        f"jaga slot {name} {slot.kind} {salt} {slot.memory_kib} {slot.passes} {slot.lanes} {slot.public.hex()}".encode()
    )


def _seal(name: str, slot: _Slot, key: bytes) -> bytes:
    ephemeral = X25519PrivateKey.generate()
    public = ephemeral.public_key().public_bytes_raw()
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(slot.public))
    return public + ChaCha20Poly1305(_once(shared, public, slot)).encrypt(_ONCE, key, name.encode())


def _unseal(name: str, slot: _Slot, private: X25519PrivateKey, sealed: bytes) -> bytes:
    """Raises: InvalidTag."""
    public, locked = sealed[:32], sealed[32:]
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise InvalidTag from error
    return ChaCha20Poly1305(_once(shared, public, slot)).decrypt(_ONCE, locked, name.encode())


def _once(shared: bytes, public: bytes, slot: _Slot) -> bytes:
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=public + slot.public, info=b"jaga store key").derive(shared)
