"""A thread that watches beside a mover's work: it begins and ends with a block of code."""

from __future__ import annotations

import abc
import threading
from typing import Final, Self

_GOODBYE_SECONDS_MAX: Final = 5.0


class Beside(abc.ABC):
    """Runs `_run` beside the block, until that returns or `_stop` is set; it never outlives the mover."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        # It may wait for a server that is gone; the work that ended does not wait for it.
        self._thread.join(_GOODBYE_SECONDS_MAX)

    @abc.abstractmethod
    def _run(self) -> None: ...
