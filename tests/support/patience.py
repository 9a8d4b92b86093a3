"""Waits for what must come about; its limit is against waiting for ever, and no machine is too slow for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

SECONDS_MAX: Final = 120.0


def until(true: Callable[[], object], what: str = "it did not come about", seconds_max: float = SECONDS_MAX) -> None:
    """Return once it is true. Fails with `what` when it is not after `seconds_max`, and was not just then."""
    end = time.monotonic() + seconds_max
    while True:
        late = time.monotonic() > end  # before it is looked at: a machine that stood still meanwhile is no failure
        if true():
            return
        assert not late, what
        time.sleep(0.02)
