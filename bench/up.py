"""`python -m bench.up PROJECT SETTINGS [STACK…]`: `python -m infra.up` on a cluster where nothing ever becomes ready.

Only here, and only by an annotation added on the way, nobody waits for what no node and no controller would do.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import pulumi

from infra import ending
from infra.render.declared import stacks
from infra.up.__main__ import bring_up
from infra.up.engine import Engine
from infra.up.language import declare

_WAITED_FOR: Final = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "Job", "Gateway", "HTTPRoute", "Cluster", "Pooler", "Certificate"}
)
_SKIP: Final = {"pulumi.com/skipAwait": "true"}


def unawaited(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
    """Have the plugin not wait for an object that nothing would make ready; for `register_stack_transformation`."""
    if not args.type_.startswith("kubernetes:") or args.type_.rpartition(":")[2] not in _WAITED_FOR:
        return None
    given: Any = args.props["metadata"]  # a plain dict: no program of ours gives an Output here
    metadata = dict(given)
    metadata["annotations"] = {**metadata.get("annotations", {}), **_SKIP}
    return pulumi.ResourceTransformationResult({**args.props, "metadata": metadata}, args.opts)


def _program() -> None:
    pulumi.runtime.register_stack_transformation(unawaited)
    declare()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Bring these stacks up, by default all; returns the exit status."""
    project, settings, chosen = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]

    def work() -> int:
        bring_up(chosen or list(stacks()), Engine(_say, project), settings, _program, cluster=False)
        return ending.YES

    return ending.end(work, as_json=False)


if __name__ == "__main__":
    sys.exit(main())
