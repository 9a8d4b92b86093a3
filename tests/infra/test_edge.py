"""The doors of a centre: a Gateway for each exposure in use, routes at their own, and a limit for each client."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalogue.target import TargetContract
from infra.monitoring import targets
from infra.rules import facts
from infra.rules.book import named
from infra.rules.judge import Case, Item
from tests.support.declared import CATALOGUE, GROUNDS, Built, build

Document = dict[str, Any]
INSIDE = {"gateway_class": "inside", "gateway_address": "192.0.2.30"}
TWO_ZONES: Document = {"target": {"zones": {"internal": INSIDE}}, "portal": {"exposure": "internal"}}
"""The portal is reached from inside, behind a gate of its own; feedback from the internet."""


def centre(target: Document | None = None, **systems: Document) -> Mapping[str, Built]:
    """Build the example with another target and other fields of its systems."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for file in CATALOGUE.glob("*.yaml"):
            content = yaml.safe_load(file.read_text(encoding="utf-8"))
            if file.stem == "province":
                content["target"] |= target or {}
            elif changed := systems.get(file.stem):
                content |= changed
                content["source"]["traffic"]["host"] = "app1"
            (folder / file.name).write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
        return {stack: build(stack, {}, catalogue=folder) for stack in ("platform", *GROUNDS, "portal", "feedback")}


@functools.cache
def two_zones() -> Mapping[str, Built]:
    return centre(**TWO_ZONES)


def documents(built: Built, kind: str) -> dict[str, Document]:
    return {each.inputs["metadata"]["name"]: each.inputs for each in built.of(kind)}


def route(stack: str) -> Document:
    (found,) = documents(two_zones()[stack], "HTTPRoute").values()
    return found


def test_each_zone_in_use_has_a_gateway_of_its_own_class_that_takes_its_own_namespaces_only() -> None:
    platform = two_zones()["platform"]
    gateways = documents(platform, "Gateway")
    assert {name: each["spec"]["gatewayClassName"] for name, each in gateways.items()} == {
        "edge": "traefik",
        "edge-internal": "inside",
    }
    spaces = {name: each for built in two_zones().values() for name, each in documents(built, "Namespace").items()}
    for gateway, taken in (("edge", {"httt-feedback-app"}), ("edge-internal", {"httt-portal-app"})):
        by_name = {each["name"]: each for each in gateways[gateway]["spec"]["listeners"]}
        chosen = by_name["https"]["allowedRoutes"]["namespaces"]["selector"]["matchLabels"]
        assert {n for n, d in spaces.items() if chosen.items() <= d["metadata"].get("labels", {}).items()} == taken
        assert by_name["http"]["allowedRoutes"]["namespaces"] == {"from": "Same"}
    (to_tls,) = documents(platform, "HTTPRoute").values()
    assert {ref["name"] for ref in to_tls["spec"]["parentRefs"]} == gateways.keys()
    assert {ref["sectionName"] for ref in to_tls["spec"]["parentRefs"]} == {"http"}
    assert platform.outputs["gateways"] == {"internal": "edge-internal", "internet": "edge"}


def test_what_is_asked_without_tls_is_sent_to_the_same_page_with_it_and_served_by_nobody() -> None:
    (to_tls,) = documents(two_zones()["platform"], "HTTPRoute").values()
    # Neither host, path nor port is named: those of the request stay, and the port is that of the scheme.
    redirect = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
    assert to_tls["spec"]["rules"] == [{"filters": [redirect]}]
    assert "hostnames" not in to_tls["spec"], "it answers for every name of the listener"
    for system in ("portal", "feedback"):
        assert {ref["sectionName"] for ref in route(system)["spec"]["parentRefs"]} == {"https"}


@pytest.mark.parametrize(
    ("system", "gateway", "address"), [("portal", "edge-internal", "192.0.2.30"), ("feedback", "edge", "192.0.2.10")]
)
def test_a_system_is_routed_and_reached_and_measured_at_its_zone(system: str, gateway: str, address: str) -> None:
    assert [ref["name"] for ref in route(system)["spec"]["parentRefs"]] == [gateway]
    contract = TargetContract.model_validate(two_zones()[system].outputs["contract"])
    assert contract.web.gateway_address == address
    settings = two_zones()["platform"].settings
    assert settings
    jobs = {each["job_name"]: each for each in targets.file(settings)["scrape_configs"]}
    rules = [rule for rule in jobs["gateway"]["metric_relabel_configs"] if rule.get("replacement") == system]
    assert [f"-gw-dcshift-edge-{gateway}-ep-" in rule["regex"] for rule in rules] == [True]


def test_a_zone_that_no_system_uses_has_no_gateway() -> None:
    assert documents(centre({"zones": {"internal": INSIDE}})["platform"], "Gateway").keys() == {"edge"}


def keeps(rule: str, document: Document, **constants: Any) -> bool:
    settings = two_zones()["platform"].settings
    assert settings
    known = facts.of(settings)
    return Case(Item(document), replace(known, constants={**known.constants, **constants})).keeps(named(rule))


def test_a_route_at_another_zones_gateway_is_refused_either_way() -> None:
    for stack, other in (("portal", "edge"), ("feedback", "edge-internal")):
        assert keeps("route-at-its-zone", route(stack))
        spec = route(stack)["spec"]
        moved = {**spec, "parentRefs": [{**spec["parentRefs"][0], "name": other}]}
        assert not keeps("route-at-its-zone", {**route(stack), "spec": moved})


def test_a_system_is_limited_by_its_own_numbers_else_by_the_provinces() -> None:
    web = yaml.safe_load((CATALOGUE / "portal.yaml").read_text(encoding="utf-8"))["web"]
    built = centre(portal={"web": {**web, "rate_limit": {"average": 30, "burst": 60}}})
    found = {d.inputs["metadata"]["namespace"]: d for ground in GROUNDS for d in built[ground].of("Middleware")}
    limits = {name: d.inputs["spec"]["rateLimit"] for name, d in found.items()}
    assert {name: (each["average"], each["burst"]) for name, each in limits.items()} == {
        "httt-portal-app": (30, 60),
        "httt-feedback-app": (200, 400),
    }
    # Else routes that still name it would serve nobody, between this stack and theirs.
    assert all(declared.retain for declared in found.values())
    for system in ("portal", "feedback"):
        (declared,) = built[system].of("HTTPRoute")
        (filtered,) = declared.inputs["spec"]["rules"][0]["filters"]
        assert filtered["extensionRef"] == {"group": "traefik.io", "kind": "Middleware", "name": "rate-limit"}
        assert not built[system].of("Middleware"), "a pipeline would choose its own limit"


def test_a_province_that_limits_nothing_needs_no_middleware() -> None:
    built = centre({"rate_limit": None})
    assert not [each for stack in built.values() for each in stack.of("Middleware")]
    (declared,) = built["portal"].of("HTTPRoute")
    assert "filters" not in declared.inputs["spec"]["rules"][0]
    assert not keeps("route-is-limited", declared.inputs)
    assert keeps("route-is-limited", declared.inputs, rateLimited=False)
