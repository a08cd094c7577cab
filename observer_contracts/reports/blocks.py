"""Pages of headings, paragraphs and tables, as Markdown and as one self-contained HTML file.

Invariant: every text is escaped here and nowhere else; a page has no script and loads nothing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

_CODE = re.compile(r"`([^`\n]+)`")
_STYLE = """\
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;
color:#1b1f24;background:#fff}
table{border-collapse:collapse;margin:1rem 0;width:100%;font-size:14px}
th,td{border:1px solid #d0d7de;padding:.35rem .6rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
th{background:#f6f8fa}code{background:#f6f8fa;padding:0 .2rem}
.FAIL{color:#b42318;font-weight:600}.WARN{color:#9a6700;font-weight:600}.PASS{color:#1a7f37;font-weight:600}
.UNKNOWN{color:#8250df;font-weight:600}.EXTERNAL{color:#0969da;font-weight:600}.EXEMPT{color:#57606a;font-weight:600}
@media (prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}th,code{background:#161b22}
th,td{border-color:#30363d}.FAIL{color:#ff7b72}.WARN{color:#d29922}.PASS{color:#3fb950}.UNKNOWN{color:#d2a8ff}}
"""
_STATES = frozenset({"FAIL", "WARN", "PASS", "UNKNOWN", "EXTERNAL", "EXEMPT"})


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 1 to 4."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph; text between backticks is code."""

    text: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table; a cell that is the name of a state is shown in its colour."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Code:
    """A block of commands."""

    text: str


Block = Heading | Paragraph | Table | Code


def render_markdown(blocks: Sequence[Block]) -> str:
    """Returns a page as Markdown."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"{'#' * level} {_line(text)}"
        case Paragraph(text):
            return _escaped(text)
        case Code(text):
            return f"```sh\n{text}\n```"
        case Table(head, rows):
            lines = [_row(head), _row(tuple("---" for _ in head)), *(_row(row) for row in rows)]
            return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_escaped(cell).replace("|", "\\|") for cell in cells) + " |"


def _line(text: str) -> str:
    return " ".join(text.split())


def _escaped(text: str) -> str:
    """Escapes angle brackets outside of code, where Markdown would read them as HTML."""
    parts = re.split(r"(`[^`\n]+`)", _line(text))
    return "".join(
        part if index % 2 else part.replace("&", "&amp;").replace("<", "&lt;")
        for index, part in enumerate(parts)
    )


def render_html(title: str, blocks: Sequence[Block], *, language: str) -> str:
    """Returns a page as one HTML file.

    Args:
        title: Title of the page.
        blocks: Its content.
        language: Language of the text, such as `en`.
    """
    body = "\n".join(_html(block) for block in blocks)
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n"
        f"<style>\n{_STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _html(block: Block) -> str:
    match block:
        case Heading(level, text):
            return f"<h{level}>{_inline(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{_inline(text)}</p>"
        case Code(text):
            return f"<pre><code>{html.escape(text)}</code></pre>"
        case Table(head, rows):
            top = "".join(f"<th>{_inline(cell)}</th>" for cell in head)
            lines = "\n".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows)
            return f"<table>\n<thead><tr>{top}</tr></thead>\n<tbody>\n{lines}\n</tbody>\n</table>"


def _cell(cell: str) -> str:
    return f'<td class="{cell}">{cell}</td>' if cell in _STATES else f"<td>{_inline(cell)}</td>"


def _inline(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", html.escape(text, quote=False))
