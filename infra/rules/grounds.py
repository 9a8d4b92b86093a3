"""Rules of a system's ground: whose everything is, who may enter, what may pass the network, what stays secret."""

from __future__ import annotations

from typing import Final

from infra import labels
from infra.rules.rule import Rule, Scope
from infra.rules.subjects import (
    LIMIT_RANGES,
    NAMESPACES,
    OWNED,
    OWNED_DATA,
    POLICIES,
    QUOTAS,
    SECRETS,
    SETTINGS,
)

_DISK: Final = "ephemeral-storage"
_MODES: Final = "['enforce', 'audit', 'warn']"
_OWNED: Final = (
    f"object.metadata.?labels[?'{labels.SYSTEM}'] == variables.place[?'{labels.SYSTEM}'] "
    f"&& object.metadata.?labels[?'{labels.LEVEL}'].orValue('').matches('^[1-5]$') "
    "&& ['chu-quan', 'du-lieu', 'moi-truong'].all(k, "
    "object.metadata.?labels[?('dcshift.gov.vn/' + k)].orValue('') != '')"
)


def _peers(condition: str) -> str:
    """Return that every peer `p` of every opening, in and out, meets the condition."""
    return " && ".join(
        f"object.spec.?{way}.orValue([]).all(r, r.?{peers}.orValue([]).all(p, {condition}))"
        for way, peers in (("ingress", "from"), ("egress", "to"))
    )


def _openings(condition: str) -> str:
    return " && ".join(
        f"object.spec.?{way}.orValue([]).all(r, {condition.format(peers=peers)})"
        for way, peers in (("ingress", "from"), ("egress", "to"))
    )


NAMESPACE_RULES: Final = (
    Rule(
        "namespace-restricted",
        "Pod security is restricted in all three modes.",
        "pod-security",
        NAMESPACES,
        f"{_MODES}.all(m, variables.labels[?('pod-security.kubernetes.io/' + m)].orValue('') == 'restricted')",
    ),
    Rule(
        "namespace-pins-version",
        "Pod security names one version, so that an upgrade of the cluster changes nothing unseen.",
        "pod-security",
        NAMESPACES,
        f"{_MODES}.all(m, variables.labels[?('pod-security.kubernetes.io/' + m + '-version')].orValue('')"
        ".matches('^v1[.][0-9]+$'))",
    ),
    Rule(
        "namespace-named-after-system",
        "A namespace is called after the system and the tier that its labels name.",
        "data-namespace",
        NAMESPACES,
        f"object.metadata.name == 'httt-' + variables.labels[?'{labels.SYSTEM}'].orValue('') + '-' "
        f"+ variables.labels[?'{labels.TIER}'].orValue('') "
        f"&& variables.labels[?'{labels.TIER}'].orValue('') in ['app', 'data']",
    ),
    Rule(
        "namespace-says-whose",
        "A namespace says its system's level, owner, data and environment.",
        "quản lý an toàn hệ thống thông tin, chủ quản",
        NAMESPACES,
        f"variables.labels[?'{labels.LEVEL}'].orValue('').matches('^[1-5]$') "
        "&& ['chu-quan', 'du-lieu', 'moi-truong'].all(k, "
        "variables.labels[?('dcshift.gov.vn/' + k)].orValue('') != '')",
    ),
    Rule(
        "namespace-denies-all",
        "Every namespace has a policy that refuses all traffic, in and out.",
        "deny-all-ingress",
        NAMESPACES,
        "objects.exists(o, o.kind == 'NetworkPolicy' && o.metadata.namespace == object.metadata.name "
        "&& o.spec.podSelector.size() == 0 && 'Ingress' in o.spec.policyTypes && 'Egress' in o.spec.policyTypes "
        "&& !has(o.spec.ingress) && !has(o.spec.egress))",
        scope=Scope.STACK,
    ),
    Rule(
        "namespace-is-limited",
        "Every namespace has a quota, and limits for containers that name none.",
        "quotas",
        NAMESPACES,
        "['ResourceQuota', 'LimitRange'].all(k, objects.exists(o, o.kind == k "
        "&& o.metadata.namespace == object.metadata.name))",
        scope=Scope.STACK,
    ),
    Rule(
        "quota-complete",
        "A quota bounds cpu, memory, disk of nodes and pods, and allows no door of its own to the outside.",
        "quotas",
        QUOTAS,
        "['requests.cpu', 'limits.cpu', 'requests.memory', 'limits.memory', 'limits.ephemeral-storage', 'pods']"
        ".all(k, k in variables.hard) "
        "&& ['services.loadbalancers', 'services.nodeports'].all(k, "
        "string(variables.hard[?k].orValue(dyn('none'))) == '0')",
    ),
    Rule(
        "storage-bounded",
        "A quota that allows claims of volumes bounds how much they hold together.",
        "quotas",
        QUOTAS,
        "string(variables.hard[?'persistentvolumeclaims'].orValue(dyn('none'))) == '0' "
        "|| ['persistentvolumeclaims', 'requests.storage'].all(k, k in variables.hard)",
    ),
    Rule(
        "limits-complete",
        # Defaults are not asked for: the server itself takes them from the maximum.
        "Containers have a maximum of cpu and memory.",
        "quotas",
        LIMIT_RANGES,
        "variables.limits.exists(l, l.type == 'Container' && ['cpu', 'memory'].all(r, l.?max[?r].hasValue()))",
    ),
    Rule(
        "disk-bounded-not-requested",
        # Left out, the default of a request is the limit, and nodes that do not count their disk would take no pod.
        "What a container writes on its node is bounded, and by default none of it is requested.",
        "quotas",
        LIMIT_RANGES,
        "variables.limits.exists(l, l.type == 'Container' "
        f"&& l.?max[?'{_DISK}'].hasValue() "
        f"&& string(l.?defaultRequest[?'{_DISK}'].orValue(dyn('none'))) == '0')",
    ),
)

OWNERSHIP: Final = (
    Rule("objects-say-whose", "Every object says its system, level, owner, data and environment.",
         "quản lý an toàn hệ thống thông tin, chủ quản", OWNED, _OWNED),
    Rule("data-says-whose", "Every object around data says its system, level, owner, data and environment.",
         "quản lý an toàn hệ thống thông tin, chủ quản", OWNED_DATA, _OWNED),
)  # fmt: skip

NETWORK: Final = (
    Rule(
        "no-whole-internet",
        "No policy opens to a block of addresses wider than /8.",
        "egress-by-peer",
        POLICIES,
        _peers("!p.?ipBlock.cidr.orValue('').matches('/[0-7]$')"),
    ),
    Rule(
        "openings-name-peers",
        "Every opening names its peers: an empty list means everyone.",
        "deny-all-ingress",
        POLICIES,
        _openings("r.?{peers}.orValue([]).size() > 0"),
    ),
    Rule(
        "openings-name-ports",
        "Every opening names its ports: an empty list means every port.",
        "deny-all-egress",
        POLICIES,
        _openings("r.?ports.orValue([]).size() > 0 && r.ports.all(p, has(p.port))"),
    ),
    Rule(
        "no-every-namespace",
        "No opening selects every namespace.",
        "data-namespace",
        POLICIES,
        _peers(
            "!has(p.namespaceSelector) || p.namespaceSelector.?matchLabels.orValue({}).size() > 0 "
            "|| p.namespaceSelector.?matchExpressions.orValue([]).size() > 0"
        ),
    ),
)

SECRECY: Final = (
    Rule(
        "no-secret-declared",
        "No stack declares a Secret: it would lie in the state.",
        "an toàn dữ liệu, bí mật dữ liệu",
        SECRETS,
        "false",
        scope=Scope.DECLARED,
    ),
    Rule(
        "no-secret-in-settings",
        "No ConfigMap holds what is called a password, key or token, nor a private key.",
        "an toàn dữ liệu, bí mật dữ liệu",
        SETTINGS,
        "object.?data.orValue({}).all(k, !k.matches('(?i)(password|passwd|secret|token|credential|private)') "
        "&& !object.data[k].contains('PRIVATE KEY'))",
    ),
)
