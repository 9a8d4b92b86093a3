"""The open paths of the centre by system and tier, small enough to read; a cell holds the ports of all its pods."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from infra.reachability.centre import Centre
from infra.reachability.ends import End, Pods
from infra.reachability.ports import Ports, merged, said

_AROUND: Final = (
    *("dns", "gateway", "operator", "certificates", "object-store", "api-server", "source", "internet", "elsewhere"),
)
Row = tuple[str, str]


def matrix(centre: Centre) -> dict[str, dict[str, dict[str, str]]]:
    """Return `reaches` and `reached_by`: by system tier and other end, the open ports; closed cells are left out."""
    rows = sorted({(pods.system or "", pods.tier or "") for pods in centre.pods})
    found: dict[str, dict[str, dict[str, str]]] = {"reaches": {}, "reached_by": {}}
    for row in rows:
        own = [pods for pods in centre.pods if (pods.system, pods.tier) == row]
        for column, others in _columns(centre, row).items():
            for way, ports in (
                ("reaches", _union(centre.network.open_ports, own, others)),
                ("reached_by", _union(centre.network.open_ports, others, own)),
            ):
                cells = found[way].setdefault("/".join(row), {})
                if ports:
                    cells[column] = said(ports)
    return found


def text(centre: Centre) -> str:
    """Return both tables as people read them."""
    found = matrix(centre)
    return "\n\n".join(
        _table(title, found[way]) for way, title in (("reaches", "may reach"), ("reached_by", "may be reached by"))
    )


def _columns(centre: Centre, row: Row) -> dict[str, list[End]]:
    system, _ = row
    columns: dict[str, list[End]] = {"own app": [], "own data": [], "other systems": []}
    for end in centre.ends:
        if isinstance(end, Pods) and end.system:
            columns[f"own {end.tier}" if end.system == system else "other systems"].append(end)
    return columns | {end.name: [end] for name in _AROUND for end in centre.ends if end.name == name}


def _union(
    asked: Callable[[End, End], tuple[Ports, ...]], sources: Iterable[End], targets: Iterable[End]
) -> tuple[Ports, ...]:
    receiving = list(targets)
    return merged(ports for source in sources for target in receiving for ports in asked(source, target))


def _table(title: str, rows: dict[str, dict[str, str]]) -> str:
    """Return a table without the columns that are closed in every row; those are named below it."""
    columns = list(dict.fromkeys(["own app", "own data", "other systems", *_AROUND]))
    shown = [name for name in columns if any(name in cells for cells in rows.values())]
    lines = [[title, *shown], *([name, *(cells.get(column, "·") for column in shown)] for name, cells in rows.items())]
    widths = [max(len(line[at]) for line in lines) for at in range(len(shown) + 1)]
    written = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    ]
    closed = [name for name in columns if name not in shown]
    return "\n".join([*written, *([f"closed in every row: {', '.join(closed)}"] if closed else [])])
