"""Decides in which pieces files go to several rsyncs at once, the largest first; it starts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_FILE_COSTS_BYTES: Final = 64 * 1024
"""What a file costs besides its content, as bytes that could have been sent meanwhile: opening, closing, renaming."""
_PIECES_EACH: Final = 8
"""Pieces for each rsync, where there is so much: the last ones end at nearly the same time."""
_COST_MIN: Final = 64 * 1024**2
_COST_MAX: Final = 1024**3
"""Beginning costs a connection, so no piece is smaller; whoever is interrupted repeats none that is larger."""


def batches(sizes: Mapping[bytes, int], workers: int) -> list[list[bytes]]:
    """Return the paths in pieces of about the same cost. A file is never divided."""
    whole = sum(map(_cost, sizes.values()))
    most = min(max(whole // (workers * _PIECES_EACH), _COST_MIN), _COST_MAX)
    found: list[list[bytes]] = []
    left = 0
    for path in sorted(sizes, key=lambda path: (-sizes[path], path)):
        cost = _cost(sizes[path])
        if left < cost or not found:
            found.append([])
            left = most
        found[-1].append(path)
        left -= cost
    return found


def _cost(size: int) -> int:
    return size + _FILE_COSTS_BYTES
