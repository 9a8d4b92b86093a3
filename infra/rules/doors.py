"""Rules of the ways into a system: services are for the inside, the edge alone serves the outside."""

from __future__ import annotations

from typing import Final

from infra import labels, naming, rate_limit
from infra.rules.rule import Rule
from infra.rules.subjects import MIDDLEWARES, ROUTES, SERVICES

_ENTRY: Final = "an toàn hạ tầng mạng, kiểm soát truy cập từ bên ngoài"
_FLOOD: Final = "an toàn hạ tầng mạng, phòng chống tấn công từ chối dịch vụ"
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
        "A route hangs on the TLS listener of a Gateway of the edge.",
        "encryption-in-transit",
        ROUTES,
        "object.spec.?parentRefs.orValue([]).size() > 0 && object.spec.parentRefs.all(p, "
        "p.?namespace.orValue('') == variables.edgeNamespace && p.?sectionName.orValue('') == 'https')",
    ),
    Rule(
        "route-at-its-zone",
        "A route hangs on the Gateway of its system's exposure, and on no other.",
        "thiết kế hệ thống, phân vùng mạng",
        ROUTES,
        # A namespace that names no zone in use has no Gateway, and no route of it is right.
        "object.spec.?parentRefs.orValue([]).all(p, "
        f"p.name == variables.edges[?(variables.place[?'{labels.EXPOSURE}'].orValue(''))].orValue(''))",
    ),
    Rule(
        "route-is-limited",
        "Where the province limits what one client may ask, every route carries its system's limit.",
        _FLOOD,
        ROUTES,
        # Without any rule of its own the server gives a route one that takes everything.
        "!variables.rateLimited || object.spec.?rules.orValue([]).size() > 0 "
        "&& object.spec.rules.all(r, r.?filters.orValue([]).exists(f, "
        "f.type == 'ExtensionRef' "
        f"&& f.?extensionRef.group.orValue('') == '{rate_limit.GROUP}' "
        f"&& f.?extensionRef.kind.orValue('') == '{rate_limit.KIND}' "
        f"&& f.?extensionRef.name.orValue('') == '{naming.RATE_LIMIT}'))",
    ),
    Rule(
        "limit-of-each-client",
        "A middleware limits the requests of each client by itself, and does nothing else.",
        _FLOOD,
        MIDDLEWARES,
        # Any other middleware under this name would leave every route unlimited, or send its requests elsewhere.
        "object.spec.size() == 1 && object.spec.?rateLimit.average.orValue(0) > 0 "
        f"&& object.spec.rateLimit.?sourceCriterion.requestHeaderName.orValue('') == '{rate_limit.CLIENT}'",
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
