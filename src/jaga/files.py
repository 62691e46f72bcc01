"""Writing a file whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["sync_folder", "whole_file"]

# What systems say where a folder cannot be made to last by itself: some network drives.
_NOT_OFFERED = frozenset((errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM))


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A new file under `path`, which takes the place of the old one when the block ends, and lasts; if anything is raised, the old one stays.

    Its owner alone may read it, also while it is written; its `name` is where it lies until then. Raises: OSError.
    """
    descriptor, part = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    os.close(descriptor)
    try:
        with open(part, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a new name in a folder outlive a power cut, where the system can promise it. Raises: OSError."""
    # Windows has no such call, and needs none.
    if os.name == "nt":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise
