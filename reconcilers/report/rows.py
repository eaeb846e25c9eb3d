"""Rows under headings, in columns that fit a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from desired.problem import printable
from reconcilers.report.printable import shortened

_BETWEEN = 2
_NARROWEST_LAST = 12


def aligned(
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    columns: int,
    numbers: Sequence[int] = (),
) -> str:
    """The last column is cut where the line would be too long, and names never are.

    `numbers`: which columns stand on the right.
    """
    shown = [[printable(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(len(row[column]) for row in shown) for column in range(len(headings))]
    left = columns - sum(width + _BETWEEN for width in widths[:-1])
    lines = []
    for *cells, last in shown:
        padded = [
            cell.rjust(width) if column in numbers else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=False))
        ]
        lines.append((" " * _BETWEEN).join([*padded, shortened(last, max(left, _NARROWEST_LAST))]))
    return "\n".join(line.rstrip() for line in lines)
