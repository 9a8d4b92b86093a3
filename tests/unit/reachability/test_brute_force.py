"""The evaluator against a simulator that sends single packets, on thousands of random policies."""

from __future__ import annotations

import functools
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.reachability.addresses import Range
from infra.reachability.ends import End, Outside, Pods, Port
from infra.reachability.network import Network
from infra.reachability.policies import read
from tests.support.packets import Host, reaches

NAMESPACES = {"one": {"team": "x"}, "two": {"team": "y", "kind": "data"}}
PORTS = range(1, 8)
PROTOCOLS = ("TCP", "UDP")
INSIDE = ("10.0.0.0/30", "10.0.0.0/31", "10.0.0.2/32", "10.0.0.4/31")
OUTSIDE = ("203.0.113.0/30", "203.0.113.0/31", "203.0.113.2/31", "203.0.113.4/32")
BLOCKS = (*INSIDE, *OUTSIDE, "0.0.0.0/0", "10.0.0.0/8", "203.0.113.0/29")
EXCEPTS = (
    "10.0.0.0/31",
    "10.0.0.0/32",
    "10.0.0.2/32",
    "10.0.0.3/32",
    "203.0.113.0/31",
    "203.0.113.1/32",
    "203.0.113.4/32",
)

names = st.sampled_from(["http", "sql"])
keys, words = st.sampled_from(["team", "kind", "tier"]), st.sampled_from(["x", "y", "data"])
labels = st.dictionaries(keys, words, max_size=2)
expressions = st.one_of(
    st.fixed_dictionaries(
        {
            "key": keys,
            "operator": st.sampled_from(["In", "NotIn"]),
            "values": st.lists(words, min_size=1, max_size=2, unique=True),
        }
    ),
    st.fixed_dictionaries({"key": keys, "operator": st.sampled_from(["Exists", "DoesNotExist"])}),
)
selectors = st.fixed_dictionaries(
    {}, optional={"matchLabels": labels, "matchExpressions": st.lists(expressions, max_size=2)}
)
blocks = st.fixed_dictionaries(
    {"cidr": st.sampled_from(BLOCKS)},
    optional={"except": st.lists(st.sampled_from(EXCEPTS), max_size=2, unique=True)},
)
peers = st.one_of(
    st.just({"namespaceSelector": {}}),
    st.fixed_dictionaries({"ipBlock": blocks}),
    st.fixed_dictionaries({"podSelector": selectors}, optional={"namespaceSelector": selectors}),
    st.fixed_dictionaries({"namespaceSelector": selectors}),
)


@st.composite
def port_rules(draw: st.DrawFn) -> dict[str, Any]:
    rule: dict[str, Any] = draw(st.fixed_dictionaries({}, optional={"protocol": st.sampled_from(PROTOCOLS)}))
    if (port := draw(st.one_of(st.none(), st.integers(1, 6), names))) is not None:
        rule["port"] = port
        if isinstance(port, int) and draw(st.booleans()):
            rule["endPort"] = draw(st.integers(port, 7))
    return rule


def rules(peers_key: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    rule = st.fixed_dictionaries(
        {}, optional={peers_key: st.lists(peers, max_size=2), "ports": st.lists(port_rules(), max_size=2)}
    )
    return st.lists(rule, max_size=2)


specs = st.fixed_dictionaries(
    # Mostly everybody: a policy that selects nobody tests little.
    {"podSelector": st.one_of(st.just({}), st.just({}), selectors)},
    optional={
        "policyTypes": st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]]),
        "ingress": rules("from"),
        "egress": rules("to"),
    },
)
ports = st.lists(st.tuples(names, st.sampled_from(PROTOCOLS), st.integers(1, 7)), max_size=2, unique=True)


@st.composite
def hosts(draw: st.DrawFn) -> Any:
    if draw(st.integers(0, 3)) == 0:
        return Host("outside", draw(st.sampled_from(OUTSIDE)))
    namespace = draw(st.sampled_from(list(NAMESPACES)))
    return Host(
        "pod",
        draw(st.sampled_from(INSIDE)),
        namespace,
        tuple(NAMESPACES[namespace].items()),
        tuple(draw(labels).items()),
        tuple(draw(ports)),
    )


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    namespace = draw(st.sampled_from(list(NAMESPACES)))
    return {"metadata": {"name": f"p{draw(st.integers(0, 9999))}", "namespace": namespace}, "spec": draw(specs)}


@functools.cache
def end(host: Host) -> End:
    addresses = (Range.of(host.network),)
    if not host.namespace:
        return Outside(host.name, addresses)
    named = tuple(Port(*port) for port in host.ports)
    return Pods(host.name, host.namespace, dict(host.namespace_labels), dict(host.labels), named, addresses)


asked = {"policies": 0, "packets": 0, "open": 0}


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(st.lists(documents(), min_size=1, max_size=5), st.lists(hosts(), min_size=2, max_size=3))
def compare(policies: list[dict[str, Any]], given_hosts: list[Any]) -> None:
    network = Network(read(policy) for policy in policies)
    asked["policies"] += len(policies)
    for source, target in pairwise(given_hosts):
        open_ports = network.open_ports(end(source), end(target))
        for protocol in PROTOCOLS:
            for port in PORTS:
                expected = reaches(policies, source, target, protocol, port)
                assert network.verdict(end(source), end(target), port, protocol).allowed == expected
                assert any((protocol, port) in each for each in open_ports) == expected
                asked["packets"] += 1
                asked["open"] += expected


def test_the_evaluator_and_the_simulator_agree_on_thousands_of_random_policies() -> None:
    asked.update(policies=0, packets=0, open=0)
    compare()
    assert asked["policies"] > 2000
    # A sample that is nearly all open or all closed would prove little.
    assert 0.1 < asked["open"] / asked["packets"] < 0.9, asked
