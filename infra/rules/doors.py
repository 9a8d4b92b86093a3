"""Rules of the ways into a system: services are for the inside, the edge alone serves the outside."""

from __future__ import annotations

from typing import Final

from infra import labels
from infra.rules.rule import Rule
from infra.rules.subjects import ROUTES, SERVICES

_ENTRY: Final = "an toàn hạ tầng mạng, kiểm soát truy cập từ bên ngoài"
DOORS: Final = (
    Rule(
        "services-inside",
        "A service is reached from inside the cluster only.",
        _ENTRY,
        SERVICES,
        "object.spec.?type.orValue('ClusterIP') == 'ClusterIP'",
    ),
    Rule(
        "no-external-addresses",
        "A service takes no address from outside.",
        _ENTRY,
        SERVICES,
        "object.spec.?externalIPs.orValue([]).size() == 0 && object.spec.?loadBalancerIP.orValue('') == ''",
    ),
    Rule(
        "route-of-domain",
        "A route serves named hosts of the province's domain only.",
        _ENTRY,
        ROUTES,
        "object.spec.?hostnames.orValue([]).size() > 0 && object.spec.hostnames.all(h, "
        "h.endsWith('.' + variables.domain) && !h.startsWith('*'))",
    ),
    Rule(
        "route-of-own-host",
        "A route serves the public name that the catalogue gives to its system.",
        _ENTRY,
        ROUTES,
        "object.spec.?hostnames.orValue([]).all(h, "
        f"h == variables.hosts[?(variables.place['{labels.SYSTEM}'])].orValue(''))",
    ),
    Rule(
        "route-through-edge",
        "A route hangs on the TLS listener of the province's one edge.",
        "encryption-in-transit",
        ROUTES,
        "object.spec.?parentRefs.orValue([]).size() > 0 && object.spec.parentRefs.all(p, p.name == variables.edge "
        "&& p.?namespace.orValue('') == variables.edgeNamespace && p.?sectionName.orValue('') == 'https')",
    ),
    Rule(
        "route-to-own-services",
        "A route leads to services of its own namespace.",
        "thiết kế hệ thống, phân vùng mạng",
        ROUTES,
        "object.spec.?rules.orValue([]).all(r, r.?backendRefs.orValue([]).all(b, "
        "b.?namespace.orValue(object.metadata.namespace) == object.metadata.namespace "
        "&& b.?kind.orValue('Service') == 'Service'))",
    ),
)
