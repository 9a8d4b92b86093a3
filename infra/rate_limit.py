"""How one client is kept from starving all others: traefik's middleware of one system, and who counts as one client."""

from __future__ import annotations

from typing import Any, Final

from catalogue.system import RateLimit
from infra import naming

GROUP: Final = "traefik.io"
API_VERSION: Final = f"{GROUP}/v1alpha1"
KIND: Final = "Middleware"
CLIENT: Final = "X-Real-Ip"
"""Who the client is. traefik writes it from the connection, and keeps it only where it trusts the sender: the gate.

By X-Forwarded-For (`ipStrategy.depth` or `excludedIPs`) all who come without a gate would be one client: traefik's
limiter sees that header before traefik adds to it, and none is one empty name.
"""
FILTER: Final = {"type": "ExtensionRef", "extensionRef": {"group": GROUP, "kind": KIND, "name": naming.RATE_LIMIT}}
"""What a route carries to be limited. A route that names a middleware which is not there serves nobody."""


def spec(limit: RateLimit) -> dict[str, Any]:
    """Return the middleware's spec: a bucket for each client of one route, in each pod of the controller."""
    return {
        "rateLimit": {
            "average": limit.average,
            "burst": limit.burst,
            "sourceCriterion": {"requestHeaderName": CLIENT},
        }
    }
