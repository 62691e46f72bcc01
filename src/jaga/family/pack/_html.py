"""A Document as one self-contained page: no script, nothing from the network, and a policy that allows neither."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources

import jinja2
import msgspec
from markupsafe import Markup

from jaga.family.pack._blocks import Document

__all__ = ["as_html"]


def as_html(document: Document) -> bytes:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jaga.family.pack"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (resources.files("jaga.family.pack") / "templates" / "pack.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    page = environment.get_template("pack.html").render(
        document=msgspec.to_builtins(document),
        # Ours, from the wheel; nothing that people wrote gets into it.
        style=Markup(style),  # noqa: S704
        style_hash=Markup(f"sha256-{digest}"),  # noqa: S704
    )
    return page.lstrip().encode()
