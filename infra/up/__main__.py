"""`python -m infra.up`: brings every stack up in the order in which data flows; none unless all of them may be."""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from infra import collecting, ending
from infra.ending import UsageError
from infra.hiding import hidden
from infra.render import stack_files
from infra.render.declared import stacks
from infra.up import apart, judging, lanes, language, plugin
from infra.up.engine import Engine


def bring_up(
    chosen: Sequence[str], engine: Engine, settings: Path, program: language.Program, *, cluster: bool = True
) -> None:
    """Judge all chosen stacks, then bring them up: one step after the other (infra/order.py). Raises `InfraError`.

    `cluster`: ask it beforehand what it lacks; one without nodes lacks everything.
    """
    engine.say(f"{len(chosen)} stacks: judging what they declare")
    began = time.monotonic()
    apart.done(judging.judge, list(chosen), settings, engine.project, cluster=cluster)
    engine.say(f"{len(chosen)} stacks: judged, {time.monotonic() - began:.1f} s")
    ended = itertools.count(1)
    with ExitStack() as served:
        plugins = [served.enter_context(plugin.shared()) for _ in range(lanes.width(chosen))]
        words = served.enter_context(language.served(program))
        engine.create(chosen)

        def up(stack: str, variables: Mapping[str, str]) -> None:
            began = time.monotonic()
            changes = engine.up(stack, words, variables)
            engine.say(f"{next(ended)}/{len(chosen)} {stack}: {changes}, {time.monotonic() - began:.1f} s")

        served.enter_context(collecting.rarely())
        lanes.run(chosen, plugins, up, also=lambda fault: engine.say(str(fault)))
    if told := judging.followers(engine, chosen, list(stacks())):
        engine.say(told)


def main() -> int:
    """Bring the stacks up; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.up", description=__doc__)
    parser.add_argument("stack", nargs="*", help="only these; every stack of the catalogue by default")
    parser.add_argument("--judge", action="store_true", help="say what forbids it, in every state too, and stop")
    parser.add_argument("--list", action="store_true", help="name the stacks in this order, one a line, and stop")
    given = parser.parse_args()

    def work() -> int:
        known = list(stacks())
        unknown = [stack for stack in given.stack if stack not in known]
        if unknown:
            raise UsageError(
                "stack-unknown",
                what=f"there is no stack {unknown[0]!r}",
                why=f"the catalogue's stacks are {', '.join(known)}",
                state="nothing was written",
                next="python -m infra.up, for all of them",
            )
        chosen = [stack for stack in known if stack in given.stack] or known
        if given.list:
            _say("\n".join(chosen))
            return ending.YES
        if given.judge:
            apart.done(judging.judge, chosen, stack_files.FOLDER, Engine(_say).project, every_state=True)
            _say(f"{len(chosen)} stacks: nothing forbids to bring them up")
            return ending.YES
        bring_up(chosen, Engine(_say), stack_files.FOLDER, language.declare)
        return ending.YES

    return ending.end(work, as_json=False)


def _say(text: str) -> None:
    sys.stdout.write(f"{hidden(text)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
