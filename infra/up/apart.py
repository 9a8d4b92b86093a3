"""Does work in a process of its own that then ends: what the work needed of memory, and left behind, ends with it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import ParamSpec

from infra import ending
from infra.errors import InfraError

_P = ParamSpec("_P")


def done(work: Callable[_P, None], *given: _P.args, **named: _P.kwargs) -> None:
    """Do the work, and raise here what it raised of the user's own faults. Raises `InfraError`.

    The process starts from nothing, so `work` is a function of a module. A copy of ours would have one of our threads
    and the locks of all: whoever waits for the others there waits for ever.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_tell, args=(theirs, work, given, named))
    process.start()
    theirs.close()
    try:
        told: dict[str, str] | None = ours.recv()
    except EOFError:
        told = None
    process.join()
    if told is None:
        raise InfraError(
            "stacks-not-judged",
            what="it could not be found out whether the stacks keep the rules",
            why=f"the process that judged them ended with {process.exitcode}; what it said stands above",
            state="nothing was written",
            next="dcshift render",
        )
    if told:
        raise InfraError(told.pop("code"), **told)


def _tell(pipe: Connection, work: Callable[..., None], given: tuple[object, ...], named: dict[str, object]) -> None:
    try:
        work(*given, **named)
        pipe.send({})
    except ending.FAULTS as fault:
        thoughts = ending.thoughts(fault)
        pipe.send({name: getattr(thoughts, name) for name in ("code", "what", "why", "state", "next")})
