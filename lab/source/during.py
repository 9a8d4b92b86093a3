"""Say what is being waited for, so that no minute is silent; it never says anything of work that is done at once."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final

Progress = Callable[[str], None]

_FIRST_AFTER_SECONDS: Final = 1.0
_AGAIN_AFTER_SECONDS: Final = 20.0


@contextlib.contextmanager
def during(progress: Progress, text: str, *, first: float = _FIRST_AFTER_SECONDS) -> Iterator[None]:
    """Tell `text` when the block takes longer than `first` seconds, then again every 20 s, and its time at the end."""
    started, over = time.monotonic(), threading.Event()

    def tell() -> None:
        if over.wait(first):
            return
        progress(text)
        while not over.wait(_AGAIN_AFTER_SECONDS):
            progress(f"{text}: still working after {time.monotonic() - started:.0f} s")

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
    if time.monotonic() - started > first:
        progress(f"{text}: done in {time.monotonic() - started:.0f} s")
