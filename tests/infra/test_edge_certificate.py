"""The edge's certificate: what is asked of cert-manager, that the Gateway waits for it, and what is told beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks as pulumi_mocks

from catalogue.province import Certificates, Issuer
from infra.components.edge import Edge, EdgeArgs
from infra.errors import InfraError
from infra.render import declared
from infra.safety.asking import refuse_lacking
from tests.support.declared import Built, build, built_once
from tests.support.own_centre import OWN, province

GIVEN = "  certificates: {issuer: {name: lab-ca}, duration: 10d, renew_before: 3d}\n"
READY = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
NOT_READY = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}


def one(built: Built, kind: str) -> dict[str, Any]:
    (found,) = built.of(kind)
    return found.inputs


def test_the_certificate_is_for_every_public_name_and_fills_the_secret_that_the_gateway_serves() -> None:
    platform = built_once("platform")
    assert platform.settings
    certificate, gateway = one(platform, "Certificate"), one(platform, "Gateway")
    spec, listener = certificate["spec"], gateway["spec"]["listeners"][0]
    assert listener["tls"]["certificateRefs"] == [{"name": spec["secretName"]}]
    assert spec["dnsNames"] == [listener["hostname"]] == [f"*.{platform.settings.catalogue.province.domain}"]
    assert certificate["metadata"]["namespace"] == gateway["metadata"]["namespace"]
    assert spec["issuerRef"] == {"group": "cert-manager.io", "kind": "Issuer", "name": "lab-ca"}
    assert (spec["duration"], spec["renewBefore"]) == ("864000s", "259200s")
    assert spec["privateKey"]["rotationPolicy"] == "Always"
    assert "cert sign" not in spec["usages"] and not spec.get("isCA")


def test_a_centre_whose_own_tool_keeps_the_secret_declares_and_measures_no_certificate(tmp_path: Path) -> None:
    folder = province(tmp_path, ("province.yaml", GIVEN, ""))
    platform = build("platform", OWN, catalogue=folder)
    assert one(platform, "Gateway")["spec"]["listeners"][0]["tls"]["certificateRefs"] == [{"name": "edge-tls"}]
    assert platform.of("Certificate") == []
    assert "certificate" not in "".join(each.identity for each in platform.objects)


def test_the_gateway_is_made_after_the_certificate_was_issued() -> None:
    waits: dict[str, list[str]] = {}

    class Watching(declared._Monitor):
        def RegisterResource(self, request: Any) -> Any:  # noqa: N802  the protocol's name
            waits[request.name] = list(request.dependencies)
            return super().RegisterResource(request)

    declared._RUNTIME.set_root_resource(None)
    declared._MOCKS._ensure_event_loop()
    monitor = Watching(Built("edge"))
    pulumi_mocks.set_mocks(declared._Mocks(), project="dcshift", stack="edge", preview=False, monitor=monitor)
    made = Certificates(issuer=Issuer(name="authority"))
    waiting: Any = pulumi.runtime.test
    waiting(lambda: Edge("edge", EdgeArgs("edge", {"internet": "traefik"}, "khanhhoa.example", made)) and None)()
    assert [urn for urn in waits["platform/gateway/edge"] if urn.endswith("::platform/certificate/edge")]


@dataclass
class Cluster:
    """A cluster that lacks nothing but perhaps the issuer."""

    issuer: dict[str, Any] | None = None
    asked: list[Mapping[str, Any]] = field(default_factory=list)

    def serves(self, document: Mapping[str, Any]) -> bool:
        return True

    def read(self, document: Mapping[str, Any]) -> dict[str, Any] | None:
        self.asked.append(document)
        return self.issuer

    def items(self, path: str) -> list[dict[str, Any]]:
        return [
            {"metadata": {"name": name}, "status": {"allocatable": {"cpu": "9", "memory": "90Gi"}}}
            for name in ("local-retain", "traefik")
        ]


@pytest.mark.parametrize(
    ("issuer", "said"), [(None, "is not there"), (NOT_READY, "is not ready"), ({}, "is not ready")]
)
def test_a_certificate_that_nobody_would_sign_is_told_before_anything_is_written(
    issuer: dict[str, Any] | None, said: str
) -> None:
    with pytest.raises(InfraError) as told:
        refuse_lacking([built_once("platform")], Cluster(issuer))  # type: ignore[arg-type]
    assert (told.value.code, told.value.state) == ("cluster-lacks", "nothing was written")
    assert told.value.why == f"Issuer lab-ca, which is to sign Certificate dcshift-edge/edge, {said}"


def test_an_issuer_that_is_ready_is_asked_for_where_the_certificate_is_and_refuses_nothing() -> None:
    cluster = Cluster(READY)
    refuse_lacking([built_once("platform")], cluster)  # type: ignore[arg-type]
    assert [each["metadata"] for each in cluster.asked] == [{"name": "lab-ca", "namespace": "dcshift-edge"}]
