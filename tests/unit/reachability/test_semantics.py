"""The traps of the NetworkPolicy API, one sentence each; the simulator agrees, and here one reads why."""

from __future__ import annotations

from typing import Any

import pytest

from infra.reachability.addresses import EVERYWHERE, NOT_ROUTED, ranges
from infra.reachability.ends import Outside, Pods, Port
from infra.reachability.network import Network
from infra.reachability.policies import read
from infra.reachability.ports import said

WEB = Pods("web", "app", {"tier": "app"}, {"run": "web"}, (Port("http", "TCP", 8000),))
DATABASE = Pods("database", "data", {"tier": "data"}, {"run": "database"}, (Port("http", "TCP", 9000),))
STRANGER = Pods("stranger", "elsewhere", {}, None, None)
INTERNET = Outside("internet", ranges(EVERYWHERE, NOT_ROUTED))


def network(*specs: dict[str, Any], namespace: str = "app") -> Network:
    return Network(
        read({"metadata": {"name": f"p{at}", "namespace": namespace}, "spec": {"podSelector": {}, **spec}})
        for at, spec in enumerate(specs)
    )


def test_where_no_policy_selects_everything_passes() -> None:
    verdict = network().verdict(INTERNET, WEB, 8000)
    assert verdict.allowed
    assert verdict.ingress.sentence("in") == "in   open: no policy selects web"


def test_a_policy_without_rules_closes_what_comes_in_and_leaves_what_goes_out() -> None:
    closed = network({})
    assert said(closed.open_ports(DATABASE, WEB)) == "-"
    assert said(closed.open_ports(WEB, DATABASE)) == "everything"
    assert closed.verdict(DATABASE, WEB, 1).ingress.sentence("in") == "in   closed: app/p0 selects it, none lets it"


def test_an_empty_peer_list_is_everybody_and_an_empty_rule_list_is_nobody() -> None:
    assert said(network({"ingress": [{"from": [], "ports": [{"port": 1}]}]}).open_ports(INTERNET, WEB)) == "1"
    assert said(network({"ingress": []}).open_ports(INTERNET, WEB)) == "-"


def test_both_ends_must_allow() -> None:
    out = {"policyTypes": ["Egress"], "egress": [{"ports": [{"port": 9000}]}]}
    assert network(out).verdict(WEB, DATABASE, 9000).allowed
    shut = network(out)._by_namespace["app"] + network({}, namespace="data")._by_namespace["data"]
    verdict = Network(shut).verdict(WEB, DATABASE, 9000)
    assert (verdict.egress.passes, verdict.ingress.passes, verdict.allowed) == (True, False, False)
    assert verdict.egress.policies == ("app/p0",)
    assert verdict.ingress.policies == ("data/p0",)


def test_a_ports_name_is_read_at_the_receiving_end() -> None:
    out = network({"policyTypes": ["Egress"], "egress": [{"ports": [{"port": "http"}]}]})
    assert said(out.open_ports(WEB, DATABASE)) == "9000"
    assert said(out.open_ports(WEB, INTERNET)) == "-"
    assert said(out.open_ports(WEB, STRANGER)) == "all TCP"


def test_a_peer_without_namespaces_is_of_the_policys_own() -> None:
    rule = {"ingress": [{"from": [{"podSelector": {}}]}]}
    assert said(network(rule).open_ports(DATABASE, WEB)) == "-"
    assert said(network(rule).open_ports(WEB, WEB)) == "everything"


def test_a_block_of_every_address_lets_pods_in_too() -> None:
    """The enforcers compare addresses, and a pod has one: whoever opens to 0.0.0.0/0 opens to the neighbour."""
    world = {"ingress": [{"from": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}]}
    assert network(world).verdict(DATABASE, WEB, 1).allowed
    only_outside = {"ipBlock": {"cidr": "0.0.0.0/0", "except": [c for c in NOT_ROUTED if ":" not in c]}}
    assert not network({"ingress": [{"from": [only_outside]}]}).verdict(DATABASE, WEB, 1).allowed
    assert network({"ingress": [{"from": [only_outside]}]}).verdict(INTERNET, WEB, 1).allowed


def test_pods_of_unknown_labels_may_be_meant_by_any_selector() -> None:
    rule = {"ingress": [{"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"run": "x"}}}]}]}
    assert network(rule).verdict(STRANGER, WEB, 1).allowed
    assert not network(rule).verdict(DATABASE, WEB, 1).allowed


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"podSelector": {"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["1"]}]}}, "'Gt'"),
        ({"ingress": [{"from": [{}]}]}, "must say whom"),
        ({"ingress": [{"to": []}]}, "to is not known"),
        ({"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}]}, "nothing else"),
        ({"ingress": [{"ports": [{"port": "http", "endPort": 9}]}]}, "endPort 9"),
        ({"ingress": [{"from": [{"ipBlock": {"cidr": "somewhere"}}]}]}, "somewhere"),
    ],
)
def test_what_is_not_known_is_refused_with_the_policys_name(spec: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match="network policy app/p0 cannot be read") as told:
        network(spec)
    assert says in str(told.value)
