"""`python -m tests.support.dying SIGNAL PHASE MODULE WORDS…`: a mover that gets a signal the moment it says a phase.

From outside nobody can be sure to be in time: a phase may be over before its word was read.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import sys
from typing import Any, TextIO


class Out:
    """The standard output of such a mover."""

    def __init__(self, out: TextIO, phase: str, number: int) -> None:
        self._out, self._phase, self._number = out, phase, number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)

    def write(self, text: str) -> int:
        count = self._out.write(text)
        said = {}
        with contextlib.suppress(ValueError):
            said = json.loads(text)
        if isinstance(said, dict) and said.get("progress", {}).get("what") == self._phase:
            self._out.flush()
            self._phase = "it was said"
            os.kill(os.getpid(), self._number)
        return count


if __name__ == "__main__":
    number, phase, module, *words = sys.argv[1:]
    sys.stdout = Out(sys.stdout, phase, int(number))  # type: ignore[assignment]
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
