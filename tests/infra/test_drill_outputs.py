"""The figures of drills are outputs of the stack `data` alone, however it is applied, and stop no `up`."""

from __future__ import annotations

import gc
import runpy
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from infra import config
from infra.errors import InfraError
from infra.stacks import drill_figures, layers
from infra.up.language import declare

FIGURES = {"drill_at": "2026-09-21T14:13:20+00:00", "drill_rto_seconds": 812.5, "drill_rpo_seconds": 304.0}


def settings(layer: str) -> Any:
    lab, portal = SimpleNamespace(is_lab=True), SimpleNamespace(id="portal")
    catalogue = SimpleNamespace(province=lab, systems=[portal])
    return SimpleNamespace(layer=layer, catalogue=catalogue, drill_seconds_max=lambda _: 35 * 24 * 3600)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a run exported and warned of; what it declares is nobody's business here."""
    found: dict[str, Any] = {"warnings": []}
    monkeypatch.setattr(layers, "build", lambda _: None)
    monkeypatch.setattr(pulumi, "export", found.__setitem__)
    monkeypatch.setattr(pulumi.log, "warn", found["warnings"].append)
    monkeypatch.setattr(pulumi, "get_stack", lambda: "data")
    monkeypatch.setattr(drill_figures.cluster_api, "connected", lambda: "a connection")
    monkeypatch.setattr(drill_figures, "measured", lambda *_: ({"portal": FIGURES}, ["portal: too old"]))
    return found


@pytest.mark.parametrize("layer", ["platform", "security", "system"])
def test_no_other_stack_asks(layer: str, told: dict[str, Any]) -> None:
    layers.run(settings(layer))
    assert told == {"warnings": []}


def test_the_stack_of_the_databases_tells_them_by_either_command(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "read", lambda _: settings("data"))
    declare()  # as `python -m infra.up`
    assert told == {"warnings": ["portal: too old"], "drills": {"portal": FIGURES}}
    del told["drills"]
    monkeypatch.setattr(gc, "set_threshold", lambda *_: None)
    runpy.run_module("infra.__main__")  # as `pulumi up`
    assert told == {"warnings": ["portal: too old"] * 2, "drills": {"portal": FIGURES}}


def test_without_a_cluster_there_is_a_warning_and_no_fault(
    told: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown() -> None:
        raise InfraError("cluster-unknown", what="", why="no kubeconfig", state="", next="")

    monkeypatch.setattr(drill_figures.cluster_api, "connected", unknown)
    layers.run(settings("data"))
    assert told == {"warnings": ["what restore drills measured is not exported: no kubeconfig"]}
