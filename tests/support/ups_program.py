"""`python -m tests.support.ups_program PROJECT`: brings a stack up for each line that it is told, as the line says.

The engine, its plugin and our program are those of `python -m infra.up`; nobody waits for what no controller would do.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import pulumi
import pulumi_kubernetes as k8s

from bench.up import unawaited
from infra.errors import InfraError
from infra.up import plugin
from infra.up.engine import Engine
from infra.up.language import declare, served

_order: Final[dict[str, Any]] = {}
"""What is done now; the engine calls the program without a word."""


def _program() -> None:
    pulumi.runtime.register_stack_transformation(unawaited)
    declare()
    if _order["more"] is not None:
        _declare_more(_order["more"], patches=_order["patches"])


def _declare_more(document: dict[str, Any], *, patches: bool) -> None:
    """Declare it as somebody would by one line more in our program, with none of the locks that ours have."""
    # The stand-in keeps one provider's settings: this one's must be those of the stack's own.
    provider = k8s.Provider(
        "more",
        cluster_identifier="the same",
        enable_server_side_apply=True,
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
    )
    token = f"kubernetes:{document['apiVersion']}:{document['kind']}{'Patch' if patches else ''}"
    pulumi.CustomResource(token, "more", document, pulumi.ResourceOptions(provider=provider))


def main() -> None:
    """Do what each line says, and answer with one."""
    engine, made = Engine(lambda _: None, Path(sys.argv[1])), set[str]()
    with plugin.shared() as shared, served(_program) as words:
        for line in sys.stdin:
            _order.update(json.loads(line))
            os.environ["KUBECONFIG"], stack = _order["kubeconfig"], _order["stack"]
            answer = {"changes": "", "error": ""}
            try:
                if stack not in made:
                    engine.create([stack])
                    made.add(stack)
                answer["changes"] = engine.up(stack, [*words, *_order["words"]], shared)
            except InfraError as refused:
                answer["error"] = str(refused)
            sys.stdout.write(f"{json.dumps(answer)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
