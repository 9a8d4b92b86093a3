"""An application that writes beside a block of a test, from its beginning to its end."""

from __future__ import annotations

import abc
import threading
from typing import Self


class Application(abc.ABC):
    """Runs `_run` in a thread beside the block, which sets `_stop` at its end and waits for it."""

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    @abc.abstractmethod
    def _run(self) -> None: ...
