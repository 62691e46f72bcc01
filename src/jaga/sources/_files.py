"""Where attachments lie: found in the tree that names them, and opened again later without a copy.

An export says where a picture is as the app knew it: beside the chat, from the top of the export, or by its name alone. What it says is hostile:
a path is only ever looked up among the entries of the same input, so it cannot lead out of it.
"""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from urllib.parse import unquote

import msgspec

from jaga.errors import JagaError
from jaga.records import Attachment, Message
from jaga.sources._tree import Entry, Tree

__all__ = ["Files", "locate"]

# Longer than any file system allows.
_LONGEST = 4096
_FILES = frozenset(("image", "video", "audio", "voice", "sticker", "document", "other"))


def locate(message: Message, unit: Entry) -> Message:
    """The message, its attachments with `found` where the file named is in the tree of its unit."""
    placed = tuple(_placed(one, unit) for one in message.attachments)
    return message if placed == message.attachments else msgspec.structs.replace(message, attachments=placed)


def _placed(one: Attachment, unit: Entry) -> Attachment:
    if one.path is None or one.found is not None or one.kind not in _FILES:
        return one
    entry = _find(one.path, unit)
    return one if entry is None else msgspec.structs.replace(one, found=entry.display)


def _find(path: str, unit: Entry) -> Entry | None:
    if not path or len(path) > _LONGEST or "\0" in path or "://" in path:
        return None
    for written in dict.fromkeys((path, unquote(path, errors="replace"))):
        entry = _look(written.replace("\\", "/"), unit)
        if entry is not None and entry is not unit:
            return entry
    return None


def _look(path: str, unit: Entry) -> Entry | None:
    tree = unit.tree
    if not path.startswith("/"):
        # From the folder of the chat, then from those above it up to the top: whoever packs an export puts folders around it.
        folder = unit.folder
        while True:
            place = posixpath.normpath(posixpath.join(folder, path))
            if not place.startswith("../") and (entry := tree.get(place)) is not None:
                return entry
            if not folder:
                break
            folder = posixpath.dirname(folder)
    same = tree.named(posixpath.basename(path))
    return same[0] if len(same) == 1 else None


class Files:
    """Opens what `Attachment.found` names, in the inputs given; the limits of reading exports hold (jaga.sources._tree).

    Inputs are looked into when the first file of theirs is asked for. One thread at a time.
    """

    def __init__(self, inputs: Iterable[Path]) -> None:
        self._inputs = {str(path): path for path in inputs}
        self._trees: dict[str, list[Tree]] = {}

    def __enter__(self) -> Files:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get(self, found: str) -> Entry | None:
        """The file, or None if it is not there (any more)."""
        for name, path in self._inputs.items():
            if not found.startswith(name):
                # A file given by itself, and what lies beside it.
                continue
            if name not in self._trees:
                self._trees[name] = []
                with contextlib.suppress(JagaError):
                    self._trees[name] = Tree.of(path)
            # The innermost first: its name begins with that of the archive it lies in.
            for tree in sorted(self._trees[name], key=lambda tree: -len(tree.root)):
                if found.startswith(tree.root):
                    # A file given by itself has no place below its name.
                    entry = tree.get(found[len(tree.root) + 1 :] or Path(found).name)
                    if entry is not None and entry.display == found:
                        return entry
        return None

    def close(self) -> None:
        """Let go of them; entries cannot be opened after it."""
        for trees in self._trees.values():
            for tree in trees:
                tree.close()
        self._trees.clear()
