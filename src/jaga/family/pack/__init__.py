"""The evidence pack: one relationship, told for a parent and an officer, signed, and checkable on another machine (docs/evidence-pack.md)."""

from __future__ import annotations

from jaga.family.pack._content import (
    CONTEXT_LINES,
    AttachmentRef,
    AuditEntry,
    OriginalFile,
    PackContent,
    Quote,
    SourceRef,
    with_context,
)
from jaga.family.pack._from_check import content_of_check
from jaga.family.pack._key import (
    fingerprint,
    new_signing_key,
    public_bytes,
    read_fingerprint,
    signing_key_from,
    signing_key_to,
)
from jaga.family.pack._proof import proof_words
from jaga.family.pack._verify import Finding, SignedOriginal, Verification, is_original, verify_pack
from jaga.family.pack._write import Written, pack_bytes, write_pack

__all__ = [
    "CONTEXT_LINES",
    "AttachmentRef",
    "AuditEntry",
    "Finding",
    "OriginalFile",
    "PackContent",
    "Quote",
    "SignedOriginal",
    "SourceRef",
    "Verification",
    "Written",
    "content_of_check",
    "fingerprint",
    "is_original",
    "new_signing_key",
    "pack_bytes",
    "proof_words",
    "public_bytes",
    "read_fingerprint",
    "signing_key_from",
    "signing_key_to",
    "verify_pack",
    "with_context",
    "write_pack",
]
