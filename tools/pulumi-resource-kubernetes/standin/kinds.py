"""What the stand-in knows of kinds: which tokens it takes, which fields cannot change in place, how long to wait."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Path = tuple[str, ...]

_REFUSED_MODULES: Final = {
    "helm.sh": "Helm charts and releases; render the chart and declare its objects as typed resources",
    "yaml": "YAML files and groups; declare the objects as typed resources or CustomResource",
    "kustomize": "Kustomize folders; declare the objects as typed resources or CustomResource",
    "apiextensions.k8s.io/v1beta1": "the removed group apiextensions.k8s.io/v1beta1",
}

_EVERY_KIND: Final[tuple[Path, ...]] = (("metadata", "name"), ("metadata", "namespace"), ("apiVersion",), ("kind",))

_IMMUTABLE: Final[dict[str, tuple[str, ...]]] = {
    "apps/Deployment": ("spec.selector",),
    "apps/DaemonSet": ("spec.selector",),
    "apps/ReplicaSet": ("spec.selector",),
    "apps/StatefulSet": (
        "spec.selector",
        "spec.serviceName",
        "spec.podManagementPolicy",
        "spec.volumeClaimTemplates",
    ),
    "batch/Job": ("spec.selector", "spec.template", "spec.completionMode", "spec.completions"),
    "/Service": ("spec.clusterIP", "spec.clusterIPs"),
    "/PersistentVolumeClaim": (
        "spec.accessModes",
        "spec.dataSource",
        "spec.dataSourceRef",
        "spec.selector",
        "spec.storageClassName",
        "spec.volumeMode",
        "spec.volumeName",
    ),
    "/PersistentVolume": (
        "spec.csi",
        "spec.hostPath",
        "spec.local",
        "spec.nfs",
        "spec.nodeAffinity",
        "spec.volumeMode",
    ),
    "/Secret": ("type",),
    "storage.k8s.io/StorageClass": ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"),
    "scheduling.k8s.io/PriorityClass": ("value", "preemptionPolicy"),
    "rbac.authorization.k8s.io/RoleBinding": ("roleRef",),
    "rbac.authorization.k8s.io/ClusterRoleBinding": ("roleRef",),
    "networking.k8s.io/IngressClass": ("spec.controller",),
    "apiextensions.k8s.io/CustomResourceDefinition": (
        "spec.group",
        "spec.scope",
        "spec.names.kind",
        "spec.names.plural",
    ),
    "gateway.networking.k8s.io/GatewayClass": ("spec.controllerName",),
    # CloudNativePG reads `bootstrap` once, at birth: a later change would do nothing and say nothing.
    "postgresql.cnpg.io/Cluster": ("spec.bootstrap", "spec.storage.storageClass", "spec.walStorage.storageClass"),
}
_DATA_FIELDS: Final = {"/ConfigMap": ("data", "binaryData"), "/Secret": ("data", "stringData")}

_WAIT_SECONDS: Final = {"Namespace": 60, "CustomResourceDefinition": 60, "Gateway": 120, "HTTPRoute": 120}
WAIT_SECONDS: Final = 600
"""The limit of a wait where neither the kind, the annotation nor the program says another."""


class UnsupportedError(Exception):
    """What the stand-in does not do; the message is the sentence for the user."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of one API version, as the token of a resource names it."""

    api_version: str
    name: str
    patches: bool = False
    """A `…Patch` resource: it owns some fields of an object that something else created."""

    @property
    def group(self) -> str:
        return self.api_version.partition("/")[0] if "/" in self.api_version else ""

    @property
    def key(self) -> str:
        return f"{self.group}/{self.name}"


def kind_of(token: str) -> Kind:
    """Return the kind that a token such as `kubernetes:apps/v1:Deployment` names.

    Raises `UnsupportedError` for what is not one object.
    """
    package, _, rest = token.partition(":")
    module, _, name = rest.rpartition(":")
    if package != "kubernetes" or not module or not name:
        raise UnsupportedError(f"{token} is not a Kubernetes resource")
    for prefix, sentence in _REFUSED_MODULES.items():
        if module == prefix or module.startswith(f"{prefix}/"):
            raise UnsupportedError(f"{token} is not supported by the stand-in plugin: it has no {sentence}")
    api_version = module.removeprefix("core/") if module.startswith("core/") else module
    if api_version.startswith(("meta/", "index")):
        raise UnsupportedError(f"{token} is not supported by the stand-in plugin")
    if name.endswith("List"):
        raise UnsupportedError(f"{token} is a list; the stand-in plugin takes one resource for each object")
    if name.endswith("Patch") and name != "Patch":
        return Kind(api_version, name.removesuffix("Patch"), patches=True)
    return Kind(api_version, name)


def immutable_paths(kind: Kind, *, config_maps_mutable: bool, secrets_mutable: bool) -> tuple[Path, ...]:
    """Return the fields whose change needs a new object."""
    fields = list(_IMMUTABLE.get(kind.key, ()))
    if (kind.key == "/ConfigMap" and not config_maps_mutable) or (kind.key == "/Secret" and not secrets_mutable):
        fields += _DATA_FIELDS[kind.key]
    return _EVERY_KIND + tuple(tuple(field.split(".")) for field in fields)


def wait_seconds(kind: Kind) -> int:
    """Return how long to wait for this kind when nobody says otherwise."""
    return _WAIT_SECONDS.get(kind.name, WAIT_SECONDS)
