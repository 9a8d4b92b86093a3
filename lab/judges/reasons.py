"""Reads the reasons that stand beside the code which they excuse; it knows no module of that code."""

from __future__ import annotations

import functools
import sys
from typing import Final

from pydantic import TypeAdapter, ValidationError

from lab.command import run
from lab.errors import LabError
from lab.judges.verdict import Reason
from lab.paths import CHECKOUT

_SECONDS_MAX: Final = 300
_COLLECT: Final = (sys.executable, "-m", "infra.render.answers")


@functools.cache
def reasons(argv: tuple[str, ...] = _COLLECT) -> tuple[Reason, ...]:
    """Return every reason, by judge, rule and file. Raises `LabError` when one is not whole."""
    said = run(argv, cwd=CHECKOUT, timeout_seconds=_SECONDS_MAX).stdout
    try:
        return TypeAdapter(tuple[Reason, ...]).validate_json(said)
    except ValidationError as bad:
        raise LabError(
            "reasons-unread",
            what="the reasons for what judges find cannot be read",
            why=str(bad),
            state="nothing was judged or written",
            next="mend the ANSWERS that it names, in infra/",
        ) from bad
