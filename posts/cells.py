"""What a table of votes may show: cells of five or more, never a cell that gives another one away, and only in steps.

Columns are the options of a poll, rows are countries or specialties. What every reader knows anyway are the sums of the columns,
at every moment; rows have no sums, so each column stands by itself. A cell shows what it was when it last moved. Three rules:

1. A cell moves only when it has grown by `FEWEST` or more since it last moved (at first: since nothing).
2. When cells of a column move, all others of that column stay: either there are none, or there are two or more that have
   grown by `FEWEST` or more together. Whoever subtracts what moved from the sum learns that much about them and no more.
3. A column in which a cell has become smaller stays as it is: somebody's votes were taken out, and would be read off.

So each cell that stays can be anything from what it shows to that and the growth of all that stay, and no difference between two
looks is smaller than `FEWEST`.
"""

from __future__ import annotations

from collections.abc import Mapping

FEWEST = 5
Table = Mapping[str, tuple[int, ...]]
"""Votes per option, by row; in a table that is shown 0 stands for nothing that could be said."""


def stepped(shown: Table, actual: Table, options: int) -> dict[str, tuple[int, ...]]:
    """What may be shown now, after `shown`, of the votes as they are; both by row, with `options` columns."""
    nothing = (0,) * options
    rows = sorted(shown.keys() | actual.keys())
    columns = [_column({row: shown.get(row, nothing)[at] for row in rows}, {row: actual.get(row, nothing)[at] for row in rows})
               for at in range(options)]
    return {row: made for row in rows if any(made := tuple(column[row] for column in columns))}


def _column(shown: dict[str, int], actual: dict[str, int]) -> dict[str, int]:
    grown = {row: actual[row] - shown[row] for row in shown}
    if any(growth < 0 for growth in grown.values()):
        return shown
    moving = sorted((row for row in grown if grown[row] >= FEWEST), key=lambda row: (-grown[row], row))
    staying = [row for row in grown if grown[row] < FEWEST]
    while moving and staying and (len(staying) < 2 or sum(grown[row] for row in staying) < FEWEST):
        staying.append(moving.pop())
    return shown | {row: actual[row] for row in moving}
