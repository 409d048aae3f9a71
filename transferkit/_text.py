"""Tables and names as text and as HTML. Names of classes and files are never trusted.

A file's name may hold line breaks, terminal codes, markup, or bytes that are no text at all. What
is printed or drawn goes through `printable`, what is put into a page through `html.escape` as well.
"""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Sequence

__all__ = [
    "byte_size",
    "counted",
    "duration",
    "html_summary",
    "html_table",
    "json_number",
    "printable",
    "shortened",
    "text_summary",
    "text_table",
    "width",
]

Row = Sequence[str]


def printable(text: str) -> str:
    """`text` with everything that is no visible character written out as an escape."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def shortened(text: str, most: int) -> str:
    """`text` as `printable`, its middle left out where it is wider than `most` columns.

    The middle, because the ends are what tells names apart: ``train/…/0001.jpg``.
    """
    text = printable(text)
    if width(text) <= most:
        return text
    head, tail = text, text
    while width(head) > (most - 1) // 2:
        head = head[:-1]
    while width(tail) > most - 1 - width(head):
        tail = tail[1:]
    return f"{head}…{tail}"


def width(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    return sum(_columns(char) for char in text)


def text_table(header: Row, rows: Sequence[Row], *, left: int = 1) -> str:
    """Aligned columns, two spaces apart.

    Args:
        header: The first line.
        rows: The other lines, each as long as the header.
        left: How many columns, from the left, are words; the others are numbers and stand right.
    """
    lines = [header, *rows]
    widths = [max(width(line[i]) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(_padded(cell, widths[i], left=i < left) for i, cell in enumerate(line)).rstrip()
        for line in lines
    )


def html_table(caption: str, header: Row, rows: Sequence[Row], *, left: int = 1) -> str:
    """A table for a notebook, every cell escaped; its colours are those of the page.

    Args:
        caption: What stands above it.
        header: The first line.
        rows: The other lines.
        left: How many columns, from the left, are words.
    """

    def line(tag: str, cells: Row) -> str:
        sides = ["left" if i < left else "right" for i in range(len(cells))]
        return "".join(
            f'<{tag} style="text-align:{side}">{html.escape(printable(cell))}</{tag}>'
            for side, cell in zip(sides, cells, strict=True)
        )

    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    title = "<br>".join(html.escape(printable(part)) for part in caption.splitlines())
    return (
        f'<table><caption style="text-align:left;white-space:nowrap">{title}</caption>'
        f"<thead><tr>{line('th', header)}</tr></thead><tbody>{body}</tbody></table>"
    )


def text_summary(rows: Sequence[tuple[str, str]]) -> str:
    """Names and what they are, a line each; no name or value can add a line of its own."""
    return "\n".join(f"{printable(name)}: {printable(value)}" for name, value in rows)


def html_summary(rows: Sequence[tuple[str, str]]) -> str:
    """The same as a table for a notebook, every cell escaped."""
    left = 'style="text-align:left"'
    lines = "".join(
        f"<tr><th {left}>{html.escape(printable(name))}</th>"
        f"<td {left}>{html.escape(printable(value))}</td></tr>"
        for name, value in rows
    )
    return f"<table>{lines}</table>"


def counted(number: int, noun: str) -> str:
    """A number of things, in words: ``1 epoch``, ``2 epochs``."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def byte_size(count: float) -> str:
    """A number of bytes in three digits: ``12 B``, ``1.5 MB``, ``20 GB``; a kB is 1,000 B."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def duration(seconds: float) -> str:
    """A time in two units at most: ``1 h 5 min``, ``2 min 3 s``, ``4.2 s``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def json_number(value: float) -> float | str:
    """`value` for JSON; NaN and infinity, which JSON lacks, as words that ``float`` reads back."""
    return float(value) if math.isfinite(value) else str(float(value))


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _padded(cell: str, columns: int, *, left: bool) -> str:
    space = " " * (columns - width(cell))
    return cell + space if left else space + cell
