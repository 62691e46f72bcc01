"""The errors Jaga raises, as one tree.

JagaError
├── UsageError          the command or call was wrong (exit 2)
├── UnreadableInput     a file, folder or archive cannot be read at all (exit 3)
├── NotThisFormat       a source looked closer and the file is not its own; the next source may try
├── HostileInput        a limit that protects the reader was reached (bomb, path escape, nesting)
├── StoreError          something Jaga keeps (a bank, a snapshot) is damaged, or cannot be written
│   └── WrongPassphrase the passphrase, recovery code or key opens nothing
├── CatalogueError      a data file of Jaga itself (tactics, guidance) is broken
├── ServiceError        somebody else's service cannot be reached, or refuses
└── DataNeeded          an optional package or file that the call needs is missing
"""

from __future__ import annotations

__all__ = [
    "CatalogueError",
    "DataNeeded",
    "HostileInput",
    "JagaError",
    "NotThisFormat",
    "ServiceError",
    "StoreError",
    "UnreadableInput",
    "UsageError",
    "WrongPassphrase",
]


class JagaError(Exception):
    """Root of everything Jaga raises on purpose.

    `where` names the file and the place in it; `remedy` says what the reader can do.
    """

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(str(self))

    def __str__(self) -> str:
        text = self.what if self.where is None else f"{self.where}: {self.what}"
        return text if self.remedy is None else f"{text} ({self.remedy})"


class UsageError(JagaError):
    """The command or call was wrong."""


class UnreadableInput(JagaError):
    """A file, folder or archive cannot be read at all."""


class NotThisFormat(JagaError):
    """A source looked closer and the file is not its own: the next source may try."""


class HostileInput(JagaError):
    """A limit that protects the reader was reached: bomb, path escape, nesting, size."""


class StoreError(JagaError):
    """Something that Jaga keeps is damaged, or cannot be written."""


class WrongPassphrase(StoreError):
    """The passphrase, recovery code or key opens nothing."""


class CatalogueError(JagaError):
    """A data file that ships with Jaga, or was added to it, is broken."""


class ServiceError(JagaError):
    """Somebody else's service cannot be reached, or refuses."""


class DataNeeded(JagaError):
    """An optional package or a file that the call needs is missing."""
