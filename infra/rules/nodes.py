"""Rules of where pods may stand: on the nodes of their system's own pool where one is declared, and on no other's."""

from __future__ import annotations

from typing import Final

from infra import labels
from infra.rules.rule import Rule
from infra.rules.subjects import DATABASES, POOLERS, WORKLOADS
from infra.spreading import POOL

_OWN: Final = f"variables.pools[?(variables.place[?'{labels.SYSTEM}'].orValue(''))].orValue('')"


def _keeps(path: str) -> str:
    """Return that what chooses nodes at `path` keeps to the system's own pool and tolerates no other's."""
    # Without a key everything is tolerated; without a value every pool is.
    own_alone = f"t.?key.orValue('') != '' && (t.key != '{POOL}' || t.?value.orValue('*') == {_OWN})"
    return (
        f"{path}.?nodeSelector[?'{POOL}'].orValue('') == {_OWN} && {path}.?tolerations.orValue([]).all(t, {own_alone})"
    )


NODES: Final = (
    Rule(
        "own-nodes",
        "A pod keeps to its system's pool of nodes where one is declared, tolerates no other's, and names no node.",
        "node-pool",
        WORKLOADS,
        # A single pod is given its node by the scheduler, as a change of itself.
        f"{_keeps('variables.pod')} && (object.kind == 'Pod' || !has(variables.pod.nodeName))",
    ),
    Rule(
        "database-own-nodes",
        "A database keeps to its system's pool of nodes where one is declared, and tolerates no other's.",
        "node-pool",
        DATABASES,
        _keeps("object.spec.?affinity"),
    ),
    Rule(
        "pooler-own-nodes",
        "A pool of connections keeps to its system's pool of nodes where one is declared, and tolerates no other's.",
        "node-pool",
        POOLERS,
        _keeps("object.spec.?template.spec"),
    ),
)
