"""What holds data, and the admission policy by which nobody but `break-glass` deletes it; it asks no other program.

The same policy keeps the identity `tenancy` inside the namespaces of information systems: RBAC cannot say it of
namespaces that are yet to be made.
"""

from __future__ import annotations

import json
from typing import Any, Final

from infra import labels, naming
from infra.rules.admission import API_VERSION, LABELS, bound
from infra.rules.facts import Facts
from infra.rules.subjects import (
    BACKUP,
    BINDING,
    CLAIM,
    CLUSTER,
    LIMITS,
    MIDDLEWARE,
    NAMESPACE,
    NETWORK_POLICY,
    QUOTA,
    ROLE,
    Kind,
)
from infra.rules.subjects import SERVICE_ACCOUNT as ACCOUNT

Document = dict[str, Any]
NAME: Final = "dcshift-identities"
# A Backup is a record of a run, which the operator's retention takes away: it is not the copy itself.
KEPT: Final = (
    CLUSTER,
    BACKUP,
    Kind("postgresql.cnpg.io/v1", "Database", "databases"),
    Kind("barmancloud.cnpg.io/v1", "ObjectStore", "objectstores"),
    Kind("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "volumesnapshots"),
    CLAIM,
    Kind("v1", "PersistentVolume", "persistentvolumes"),
    # With a namespace goes everything in it, with a definition every object of its kind.
    NAMESPACE,
    Kind("apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions"),
)
_GROUPS: Final = ("postgresql.cnpg.io", "barmancloud.cnpg.io", "snapshot.storage.k8s.io")
_GROUND: Final = (NAMESPACE, QUOTA, LIMITS, NETWORK_POLICY, ROLE, BINDING, ACCOUNT, MIDDLEWARE)
_DECLARED: Final = (CLUSTER, BACKUP, CLAIM)
"""What holds data and is declared, beside namespaces."""


def _is(identity: str) -> str:
    """Return whether who asks has an identity, as its account or as one of its people."""
    return (
        f"request.userInfo.username == '{naming.identity_user(identity)}' "
        f"|| '{naming.identity_group(identity)}' in request.userInfo.?groups.orValue([])"
    )


_TENANT: Final = _is(naming.TENANCY)
_JUDGED: Final = (
    f"request.operation == 'DELETE' || {_TENANT} || {_is(naming.DATA)} || request.resource.resource == 'namespaces'"
)
_OWNERS: Final = "{}.metadata.?ownerReferences.orValue([])"
_SYSTEM_DELETES: Final = (
    # An owner that goes takes what it owns, a namespace all that is in it; whether it may go was asked before.
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
    "system:kube-controller-manager",
)


def keeps(kind: Kind) -> bool:
    """Return whether objects of a kind hold data, so that only `break-glass` may delete them."""
    return (kind.group, kind.resource) in {(each.group, each.resource) for each in KEPT}


def policy(facts: Facts) -> Document:
    """Return the ValidatingAdmissionPolicy of one centre."""
    may_be_destroyed = json.dumps(bool(facts.constants["dataMayBeDestroyed"]))
    return {
        "apiVersion": API_VERSION,
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": NAME, "labels": LABELS},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {
                "resourceRules": [
                    *(_judged(kind, ["DELETE"]) for kind in KEPT),
                    *(_judged(kind, ["CREATE", "UPDATE", "DELETE"]) for kind in _GROUND),
                    *(_judged(kind, ["CREATE", "UPDATE"]) for kind in _DECLARED),
                ]
            },
            # What others make or change is none of this policy's business.
            "matchConditions": [{"name": "judged", "expression": _JUDGED}],
            "variables": [{"name": name, "expression": text} for name, text in _variables(facts).items()],
            "validations": [
                {
                    "expression": f"!variables.kept || {may_be_destroyed} || !variables.ours || variables.allowed",
                    "message": "data-kept: Only break-glass deletes what holds data: docs/identities.md.",
                },
                {
                    "expression": f"!variables.uncovered || {may_be_destroyed} || variables.allowed",
                    "message": "files-stay-kept: Only break-glass takes the label off that keeps volumes of files.",
                },
                {
                    "expression": "!variables.owned || variables.allowed",
                    "message": "kept-without-owner: What holds data has no owner: it would go with it, unasked.",
                },
                {
                    "expression": "!variables.tenant || variables.place.startsWith('httt-')",
                    "message": "tenancy-in-systems: The identity tenancy changes namespaces of systems only.",
                },
            ],
        },
    }


def binding() -> Document:
    """Return its binding: it refuses, wherever the object lies."""
    return bound(NAME, {})


def _holds(namespace: str) -> str:
    """Return whether data lies in a namespace: databases, or in one of pods volumes of files."""
    return f"({namespace}.metadata.?labels[?'{labels.TIER}'].orValue('') == 'data' || {_files(namespace)})"


def _files(namespace: str) -> str:
    """Return whether volumes of files lie in a namespace."""
    return f"({namespace}.metadata.?labels[?'{labels.KEEPS}'].orValue('') == 'true')"


def _judged(kind: Kind, operations: list[str]) -> Document:
    # Every version: an object is deleted by whichever is served.
    return {
        "apiGroups": [kind.group],
        "apiVersions": ["*"],
        "operations": operations,
        "resources": [kind.resource],
        "scope": "*",
    }


def _variables(facts: Facts) -> dict[str, str]:
    names = sorted(f"{kind.group}/{kind.resource}" for kind in KEPT)
    users = [naming.identity_user(naming.BREAK_GLASS), *_SYSTEM_DELETES]
    operators = f"system:serviceaccounts:{facts.constants['operatorNamespace']}"
    stronger = [naming.identity_group(each) for each in (naming.PLATFORM, naming.BREAK_GLASS)] + ["system:masters"]
    return {
        "groups": "request.userInfo.?groups.orValue([])",
        "what": "request.resource.group + '/' + request.resource.resource",
        "kept": f"request.operation == 'DELETE' && variables.what in {json.dumps(names)}",
        "ours": "variables.what == '/namespaces' "
        f"? {_holds('oldObject')} : (variables.what == '/persistentvolumes' "
        # One that is not retained goes by itself, with its claim; that one is asked for.
        "? (oldObject.spec.?persistentVolumeReclaimPolicy.orValue('') == 'Retain' "
        "&& oldObject.spec.?claimRef.namespace.orValue('').matches('^httt-.+-(app|data)$')) "
        ": (variables.what == 'apiextensions.k8s.io/customresourcedefinitions' "
        f"? oldObject.spec.group in {json.dumps(_GROUPS)} : {_holds('namespaceObject')}))",
        # The operator takes the volume of an instance that it replaces.
        "allowed": f"request.userInfo.username in {json.dumps(users)} "
        f"|| '{naming.identity_group(naming.BREAK_GLASS)}' in variables.groups "
        f"|| (variables.what == '/persistentvolumeclaims' && '{operators}' in variables.groups)",
        "tenant": f"({_TENANT}) && !variables.groups.exists(g, g in {json.dumps(stronger)})",
        "place": "variables.what == '/namespaces' ? request.name : request.?namespace.orValue('')",
        # Without the label its claims may be deleted, and the namespace with all that is in it.
        "uncovered": f"request.operation == 'UPDATE' && variables.what == '/namespaces' && {_files('oldObject')} "
        f"&& !{_files('object')}",
        # The garbage collector, which may delete everything, takes what has an owner that is not there.
        "owned": f"request.operation in ['CREATE', 'UPDATE'] && variables.what in {json.dumps(names)} "
        f"&& variables.place.startsWith('httt-') && {_OWNERS.format('object')}.size() > 0 "
        f"&& (request.operation == 'CREATE' || {_OWNERS.format('object')} != {_OWNERS.format('oldObject')})",
    }
