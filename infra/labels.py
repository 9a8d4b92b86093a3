"""Labels of everything on the target, so that each object says whose it is; pure, and never a secret."""

from __future__ import annotations

from typing import Final, Literal

from catalogue import volumes
from catalogue.province import Province
from catalogue.system import System

Tier = Literal["app", "data"]
COMPONENT: Final = "app.kubernetes.io/component"
SYSTEM: Final = "dcshift.gov.vn/he-thong"
TIER: Final = "dcshift.gov.vn/tang"
LEVEL: Final = "dcshift.gov.vn/cap-do"
EXPOSURE: Final = "dcshift.gov.vn/vung-mang"
"""Which zone's Gateway takes routes from a namespace."""
KEEPS: Final = "dcshift.gov.vn/giu-tep"
"""Says of an `app` namespace that volumes of files lie in it: it is kept as one of `data` is."""
WORKER: Final = "worker"
"""The component of everything that works unasked."""
WORKER_NAME: Final = "dcshift.gov.vn/tien-trinh"
"""Which of a system's workers a pod is."""
ENVIRONMENT: Final = "dcshift.gov.vn/moi-truong"
_POD_SECURITY_VERSION: Final = "v1.34"


def of_system(province: Province, system: System) -> dict[str, str]:
    """Return the labels of any object of a system."""
    return {
        "app.kubernetes.io/managed-by": "pulumi",
        "app.kubernetes.io/part-of": "dcshift",
        "app.kubernetes.io/name": system.id,
        SYSTEM: system.id,
        LEVEL: str(system.level),
        "dcshift.gov.vn/chu-quan": system.owner.agency,
        "dcshift.gov.vn/du-lieu": "-".join(sorted(system.data.classes)),
        ENVIRONMENT: province.environment,
    }


def of_component(province: Province, system: System, component: str) -> dict[str, str]:
    """Return the labels of one component's objects."""
    return {**of_system(province, system), COMPONENT: component}


def selector(system: System, component: str) -> dict[str, str]:
    """Return the labels that select a component's pods; they can never change."""
    return {SYSTEM: system.id, COMPONENT: component}


def of_instances(cluster: str) -> dict[str, str]:
    """Return the labels by which the databases' operator marks the pods that serve a database."""
    return {"cnpg.io/cluster": cluster, "cnpg.io/podRole": "instance"}


def of_pool(pooler: str) -> dict[str, str]:
    """Return the label by which it marks the pods of a pool; they carry the cluster's, too."""
    return {"cnpg.io/poolerName": pooler}


def of_namespace(province: Province, system: System, tier: Tier) -> dict[str, str]:
    """Return a namespace's labels: whose it is, from where it is reached, and pod security at its strictest."""
    zone = {EXPOSURE: system.exposure} if tier == "app" else {}
    keeps = {KEEPS: "true"} if tier == "app" and volumes.of(system) else {}
    return {**of_system(province, system), TIER: tier, **zone, **keeps, **restricted()}


def restricted() -> dict[str, str]:
    """Return the labels of pod security at its strictest, of one pinned version."""
    return _pod_security("restricted", ("enforce", "audit", "warn"))


def reads_nodes() -> dict[str, str]:
    """Return the labels of the one namespace whose pods mount a node's folders.

    Every profile but `privileged` forbids that; what its pods may do beside is bounded by the one DaemonSet that its
    quota has room for and by who may write there (docs/security-log.md).
    """
    return _pod_security("privileged", ("enforce",))


def _pod_security(profile: str, modes: tuple[str, ...]) -> dict[str, str]:
    return {
        f"pod-security.kubernetes.io/{mode}{suffix}": value
        for mode in modes
        for suffix, value in (("", profile), ("-version", _POD_SECURITY_VERSION))
    }
