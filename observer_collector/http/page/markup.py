"""Markup that cannot be forged.

Invariant: a text becomes markup only by being escaped; the master file, the broker and a configuration file
can name anything they like.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

_VOID = frozenset({"link", "meta", "rect", "path", "line"})


class Markup(str):
    """A text that is markup already."""

    __slots__ = ()


def text(content: str) -> Markup:
    """Returns a text as markup."""
    return content if isinstance(content, Markup) else Markup(escape(content))


def join(parts: Iterable[str]) -> Markup:
    """Returns parts one behind the other."""
    return Markup("".join(text(part) for part in parts))


def listed(parts: Iterable[str]) -> Markup:
    """Returns parts with commas between them."""
    return Markup(", ".join(text(part) for part in parts))


def element(tag: str, *children: str, **attributes: str | float | bool | None) -> Markup:
    """Returns an element.

    Args:
        tag: Its name.
        children: Texts and markup inside.
        attributes: `class_` stands for `class` and `aria_label` for `aria-label`; False and None for none.
    """
    given = "".join(
        f" {_name(name)}" if value is True else f' {_name(name)}="{escape(str(value))}"'
        for name, value in attributes.items()
        if value is not None and value is not False
    )
    if tag in _VOID:
        return Markup(f"<{tag}{given}>" if tag in ("link", "meta") else f"<{tag}{given}/>")
    return Markup(f"<{tag}{given}>{join(children)}</{tag}>")


def _name(name: str) -> str:
    return name.rstrip("_").replace("_", "-")
