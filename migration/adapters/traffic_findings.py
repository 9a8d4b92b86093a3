"""Says what in a surveyed site would go past the gate, or mean something else behind it; it only reads facts."""

from __future__ import annotations

from collections.abc import Iterator

from migration.model.inventory import TrafficFacts
from migration.model.words import Finding, Severity

_GATED_PORT = 443
_PLAIN_PORT = 80
_NAMED_MAX = 5


def aliases(facts: TrafficFacts, host: str) -> list[str]:
    """Return the further names under which the site serves; the gate must hold them, too."""
    return sorted(name for name in facts.served_names if name != host)


def from_survey(facts: TrafficFacts) -> Iterator[Finding]:
    """Yield findings about listeners, names and rules of the site."""
    where = f"{facts.host}/{facts.site}"
    if _GATED_PORT in facts.ipv6_ports:
        what = "the site listens on IPv6; the gate does not, and would turn those connections away"
        next_step = "take the IPv6 address out of DNS and of the site, let its TTL pass, then: dcshift survey"
        yield Finding(Severity.BLOCKER, "site-on-ipv6", where, what, next_step)
    if others := sorted(set(facts.listening_ports) - {_GATED_PORT, _PLAIN_PORT}):
        what = f"the site also listens on {', '.join(map(str, others))}; requests there would go past the gate"
        yield Finding(Severity.BLOCKER, "site-on-other-port", where, what, "close these ports, then: dcshift survey")
    if odd := [name for name in facts.served_names if not name.replace("-", "").replace(".", "").isalnum()]:
        what = f"the site serves names by pattern: {', '.join(odd[:_NAMED_MAX])}; the gate holds exact names only"
        yield Finding(Severity.BLOCKER, "site-name-pattern", where, what, "write each name out, then: dcshift survey")
    if _GATED_PORT in facts.default_ports:
        what = "the site is nginx's default: requests for names that nobody has reach it past the gate"
        next_step = "give nginx a default server that refuses, or make sure that the application refuses foreign names"
        yield Finding(Severity.WARNING, "site-is-default", where, what, next_step)
    if facts.by_address:
        named = "; ".join(facts.by_address[:_NAMED_MAX])
        what = f"{len(facts.by_address)} rules of nginx look at a client's address: {named}"
        next_step = "behind the gate they see 127.0.0.1: set_real_ip_from 127.0.0.1; real_ip_header X-Forwarded-For;"
        yield Finding(Severity.WARNING, "rules-by-address", where, what, next_step)
