"""Who is behind the names under which fields of objects are written; it knows names and asks nobody."""

from __future__ import annotations

from typing import Final

OURS: Final = "pulumi-kubernetes"
"""How the managers of all our resources begin; the rest names the one resource."""

_KNOWN: Final = (
    ("dcshift-migrator", "the migration"),
    ("dcshift-drill", "a restore drill"),
    ("dcshift-lab", "the lab"),
    ("kube-controller-manager", "a controller of Kubernetes, such as the autoscaler"),
    ("kube-scheduler", "the scheduler of Kubernetes"),
    ("kubelet", "a node"),
    ("cloudnative-pg", "the database's operator"),
    ("manager", "an operator, CloudNativePG's among them"),
    ("cert-manager", "the certificates' controller"),
    ("traefik", "the gateway's controller"),
    ("kubectl", "a person at the command line"),
    ("OpenAPI-Generator", "a program with Kubernetes' Python client"),
    ("Mozilla", "a person at a dashboard"),
)


def ours(manager: str) -> bool:
    """Return whether one of our stacks wrote under this name."""
    return manager.startswith(OURS)


def behind(manager: str) -> str:
    """Return who that is, as far as a name tells: whoever writes chooses it freely."""
    if ours(manager):
        return "our stacks"
    return next((who for name, who in _KNOWN if manager == name or manager.startswith(f"{name}-")), "somebody unknown")
