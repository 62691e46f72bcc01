"""Where the passphrase comes from when nobody sits in front of the machine."""

from __future__ import annotations

import os
from pathlib import Path

from jaga.errors import DataNeeded, StoreError, UsageError, WrongPassphrase
from jaga.store import Keys, Store, recovery_code

__all__ = ["SLOT", "forget", "open_store", "passphrase_given", "remember"]

# The key slot whose secret the system's keyring holds: nobody's passphrase is kept, and taking it back touches nobody's.
SLOT = "keyring"
_SERVICE = "jaga"


def passphrase_given() -> str | None:
    """From `JAGA_PASSPHRASE`, else from the file that `JAGA_PASSPHRASE_FILE` names, else from systemd's credential `jaga.passphrase`.

    Raises: UsageError, if a file was named and cannot be read.
    """
    given = os.environ.get("JAGA_PASSPHRASE")
    if given:
        return given
    named = os.environ.get("JAGA_PASSPHRASE_FILE")
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    path = Path(named) if named else Path(credentials, "jaga.passphrase") if credentials else None
    if path is None or (not named and not path.exists()):
        return None
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        raise UsageError(f"the file with the passphrase cannot be read: {reason}", where=str(path)) from error


def open_store(folder: Path, url: str | None) -> Store | None:
    """The store, opened by what is given or by the keyring; None if neither has anything that could open it.

    Raises: WrongPassphrase, if what is given does not fit; StoreError; UsageError.
    """
    given = passphrase_given()
    if given is not None:
        return Store.open(folder, given, url=url)
    secret = _from_keyring(folder)
    if secret is None:
        return None
    try:
        return Store.open_with_key(folder, Keys.load(folder / "keys.json").unlock(secret, SLOT), url=url)
    except WrongPassphrase:
        # The keys were changed since: whoever comes to the page unlocks it.
        return None


def remember(store: Store) -> None:
    """Let this machine open the store by itself: its keyring gets a secret of its own. Raises: DataNeeded, StoreError."""
    import keyring
    from keyring.errors import KeyringError

    secret = recovery_code()
    try:
        keyring.set_password(_SERVICE, _name(store.folder), secret)
        kept = keyring.get_password(_SERVICE, _name(store.folder))
    except (KeyringError, RuntimeError) as error:
        raise _no_keyring() from error
    if kept != secret:
        raise _no_keyring()
    store.keys.lock(SLOT, store.key, secret, kind=SLOT)


def forget(folder: Path) -> None:
    """Take that back. Raises: StoreError."""
    keys = Keys.load(folder / "keys.json")
    keys.drop(SLOT)
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return
    try:
        keyring.delete_password(_SERVICE, _name(folder))
    except (KeyringError, RuntimeError):
        # Without its slot the secret opens nothing.
        return


def _from_keyring(folder: Path) -> str | None:
    try:
        # Where it was never asked to remember, the keyring is not asked either: it might open a window.
        if SLOT not in Keys.load(folder / "keys.json").slots:
            return None
        import keyring
        from keyring.errors import KeyringError
    except (ImportError, StoreError):
        return None
    try:
        return keyring.get_password(_SERVICE, _name(folder))
    except (KeyringError, RuntimeError):
        return None


def _name(folder: Path) -> str:
    return str(folder.absolute())


def _no_keyring() -> DataNeeded:
    return DataNeeded(
        "this machine has no keyring that Jaga can use",
        remedy="give the passphrase by JAGA_PASSPHRASE_FILE, or in the browser after each start",
    )
