"""What a day of a table lacks: lake, ledger and rows side by side.

Invariant: a source counts as loaded only when the ledger names it as the lake has it and all of its rows are
there, as its load wrote them; whoever removed or changed rows, a partition or an entry of the ledger, what is
not whole is replaced by what the lake has. Rows more than were loaded are never removed here: they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from observer_core.warehouse.ledger import Source
from observer_core.warehouse.written import Held


@dataclass(frozen=True, slots=True)
class Difference:
    """What a load has to do.

    Attributes:
        missing: Sources to load: new, changed, or no longer there in full or as they were loaded.
        replaced: Names of sources whose rows and entries have to go before.
        lost: Names of the sources of which the ledger says more rows than are there.
        changed: Names of the sources of which rows were changed after their load.
        foreign: Name of a source -> its rows in PostgreSQL and those that the ledger says, where there are
            more than that; "" stands for rows that name no source.
    """

    missing: tuple[Source, ...] = ()
    replaced: frozenset[str] = frozenset()
    lost: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    foreign: tuple[tuple[str, int, int], ...] = ()

    @property
    def exists(self) -> bool:
        """Whether there is anything to do, or to ask a person about."""
        return bool(self.missing or self.replaced or self.foreign)


def compare(sources: Sequence[Source], ledger: Mapping[str, Source], held: Held) -> Difference:
    """Returns the difference between what the lake has and what PostgreSQL holds.

    Args:
        sources: Of the lake. Without any there is nothing to load from, and so no difference.
        ledger: Name -> source, as it was loaded.
        held: What PostgreSQL holds now.
    """
    if not sources:
        return Difference()
    in_lake = {source.name for source in sources}
    missing = tuple(
        s
        for s in sources
        if ledger.get(s.name) != s or held.rows.get(s.name, 0) < s.rows or held.changed.get(s.name)
    )
    there = ledger.keys() | {name for name, rows in held.rows.items() if rows}
    return Difference(
        missing=missing,
        replaced=frozenset({*(s.name for s in missing if s.name in there), *(ledger.keys() - in_lake)}),
        lost=tuple(sorted(name for name, entry in ledger.items() if held.rows.get(name, 0) < entry.rows)),
        changed=tuple(sorted(name for name, rows in held.changed.items() if rows)),
        foreign=tuple(_foreign(in_lake, ledger, held.rows)),
    )


def _foreign(
    in_lake: set[str], ledger: Mapping[str, Source], held: Mapping[str, int]
) -> list[tuple[str, int, int]]:
    """Returns rows that no load wrote."""
    # A source that the lake has and the ledger has not was loaded, and its entry removed.
    said = {name: ledger[name].rows if name in ledger else 0 for name in held}
    return [
        (name, rows, said[name])
        for name, rows in sorted(held.items())
        if rows > said[name] and (name in ledger or name not in in_lake)
    ]
