"""`python -m tests.support.ups_program PROJECT`: brings a stack up for each line that it is told, as the line says.

The engine, its plugin and our program are those of `python -m infra.up`; nobody waits for what no controller would do.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pulumi

from bench.up import unawaited
from infra.errors import InfraError
from infra.up import plugin
from infra.up.engine import Engine
from infra.up.language import declare, served


def _program() -> None:
    pulumi.runtime.register_stack_transformation(unawaited)
    declare()


def main() -> None:
    """Do what each line says, and answer with one."""
    engine, made = Engine(lambda _: None, Path(sys.argv[1])), set[str]()
    with plugin.shared() as shared, served(_program) as words:
        for line in sys.stdin:
            order = json.loads(line)
            os.environ["KUBECONFIG"], stack = order["kubeconfig"], order["stack"]
            answer = {"changes": "", "error": ""}
            try:
                if stack not in made:
                    engine.create([stack])
                    made.add(stack)
                answer["changes"] = engine.up(stack, [*words, *order["words"]], shared)
            except InfraError as refused:
                answer["error"] = str(refused)
            sys.stdout.write(f"{json.dumps(answer)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
