"""The pack as one file: a zip that holds its members as they are, in a fixed order, with a fixed time.

Nothing in it is left to chance, so whoever has the members can build the very same bytes again: that is how `jaga verify` finds a change
anywhere in the zip, also where no member lies. Members are not compressed, so there is nothing to blow up.
"""

from __future__ import annotations

import io
import zipfile

__all__ = ["CERTIFICATE", "KEY", "MANIFEST", "NAMES", "README", "REPORT", "SIGNATURE", "SUMS", "boxed"]

README = "README.txt"
REPORT = "report"
CERTIFICATE = "certificate-s90a"
KEY = "public-key.pem"
SUMS = "SHA256SUMS"
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
# In the order in which they lie in the zip.
NAMES = (
    README,
    f"{REPORT}.pdf",
    f"{REPORT}.html",
    f"{REPORT}.json",
    f"{CERTIFICATE}.pdf",
    f"{CERTIFICATE}.html",
    KEY,
    SUMS,
    MANIFEST,
    SIGNATURE,
)


def boxed(files: dict[str, bytes]) -> bytes:
    """The zip. Members that are none of NAMES come last, by name."""
    order = sorted(files, key=lambda name: (NAMES.index(name) if name in NAMES else len(NAMES), name))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as box:
        for name in order:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            # Unix, rw for its owner: the same on whatever system it is made.
            info.create_system = 3
            info.external_attr = 0o100600 << 16
            box.writestr(info, files[name])
    return stream.getvalue()
