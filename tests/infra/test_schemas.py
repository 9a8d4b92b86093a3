"""Every manifest fits the strict schemas of three versions of Kubernetes, and its operator's where the cache has it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from kubernetes_validate.utils import SchemaNotFoundError

from infra.render import representative
from infra.render.manifests import manifests
from lab.paths import cache
from tests.support.declared import STACKS, Built, built_once

Document = dict[str, Any]
VERSIONS = ("1.33", "1.34", "1.35")
"""The one before the version that the lab runs, that one, and the next."""
CUSTOM = {
    "postgresql.cnpg.io/v1": {"Cluster", "ScheduledBackup", "Pooler"},
    "gateway.networking.k8s.io/v1": {"Gateway", "HTTPRoute"},
    "cert-manager.io/v1": {"Certificate"},
    "traefik.io/v1alpha1": {"Middleware"},
}
"""What Kubernetes itself does not know; a new kind here needs a schema of its own below."""
LAB, NO_LAB = "the lab", "the same centre where nothing is excused"
CENTRES = (LAB, NO_LAB, *(str(place) for place in representative.SOME))


def stacks(centre: str) -> Sequence[Built]:
    if centre == LAB:
        return [built_once(name, {"migrate": "true"}) for name in STACKS]
    if centre == NO_LAB:
        return representative.province()
    return next(representative.stacks(place) for place in representative.SOME if str(place) == centre)


@functools.cache
def written(centre: str) -> list[Document]:
    """Return every manifest of a centre, read back from the YAML: what people apply is judged, not what we hold."""
    texts = [manifest.text for each in stacks(centre) for manifest in manifests(each)]
    return [yaml.load(text, Loader=yaml.CSafeLoader) for text in texts]


@functools.cache
def fresh(centre: str) -> list[Document]:
    """Return those that no centre before it has in the same words, whatever they are called: a judgement is slow."""
    seen = {words(each) for before in CENTRES[: CENTRES.index(centre)] for each in written(before)}
    return [each for each in written(centre) if words(each) not in seen]


def words(document: Document) -> str:
    """Return all that it says; of its metadata the shape alone."""
    return json.dumps({**document, "metadata": shape(document["metadata"])}, sort_keys=True)


def shape(value: Any) -> Any:
    return {key: shape(each) for key, each in value.items()} if isinstance(value, dict) else type(value).__name__


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    """The lab's, where one of each kind is enough."""
    return written(LAB)


def custom(documents: list[Document]) -> list[Document]:
    return [each for each in documents if each["kind"] in CUSTOM.get(each["apiVersion"], ())]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("centre", CENTRES)
def test_every_manifest_fits_the_strict_schema_of_its_version(version: str, centre: str) -> None:
    documents, unknown = fresh(centre), []
    for document in documents:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except SchemaNotFoundError:
            unknown.append(document)
    assert unknown == custom(documents)
    assert len(documents) - len(unknown) > (80 if centre == LAB else 0)


WORDS = ("topology.kubernetes.io/zone", "dataDurability", "portal@sha256:", "edge-government-network", "edge-internal")


def test_what_only_levels_and_zones_ask_for_is_among_what_is_judged() -> None:
    """A lab has none of it: judged there alone, it would first be read by a cluster."""
    there = {centre: {word for word in WORDS if word in spoken(centre)} for centre in CENTRES}
    assert there[LAB] == set()
    assert set().union(*there.values()) == set(WORDS)


def spoken(centre: str) -> str:
    """Return what a centre's objects say; not the policies, which speak of all centres."""
    chosen = [each for each in written(centre) if each["kind"] != "ValidatingAdmissionPolicy"]
    return yaml.dump_all(chosen, Dumper=yaml.CSafeDumper, width=1000)


def test_the_judge_refuses_a_field_that_does_not_exist(documents: list[Document]) -> None:
    deployment = next(each for each in documents if each["kind"] == "Deployment")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**deployment, "spec": {**deployment["spec"], "replica": 1}}, "1.34", strict=True)


@functools.cache
def _published() -> dict[tuple[str, str], Document]:
    """Return the operators' schemas by version and kind, from what the lab keeps of their Go modules."""
    found: dict[tuple[str, str], Document] = {}
    for file in sorted(Path(cache() / "manifests").glob("*/*.yaml")):
        for document in yaml.load_all(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
            if document and document["kind"] == "CustomResourceDefinition":
                spec = document["spec"]
                for version in spec["versions"]:
                    key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
                    found[key] = _strict(version["schema"]["openAPIV3Schema"], top=True)
    return found


def _strict(schema: Any, *, top: bool = False) -> Any:
    """Return a structural schema as JSON Schema that refuses what is not declared: a server would drop it."""
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    # What is inside these names no field of its own: only the schema around them says which there are.
    kept = ("allOf", "anyOf", "oneOf", "not")
    made = {
        key: value if key in kept else _strict(value)
        for key, value in schema.items()
        if not key.startswith("x-kubernetes-")
    }
    if isinstance(schema.get("properties"), dict):
        made["properties"] = {name: _strict(value) for name, value in schema["properties"].items()}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    if top:
        # The server itself describes these.
        made["properties"]["metadata"] = {"type": "object"}
    if schema.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
    return made


def _schemas() -> dict[tuple[str, str], Document]:
    if lacking := {(version, kind) for version, kinds in CUSTOM.items() for kind in kinds} - _published().keys():
        pytest.skip(f"the cache has no manifests of {sorted(lacking)} yet: make setup")
    return _published()


def faults(document: Document) -> Iterator[str]:
    schema = _schemas()[document["apiVersion"], document["kind"]]
    for fault in jsonschema.Draft202012Validator(schema).iter_errors(document):
        yield f"{document['kind']} {document['metadata']['name']} {fault.json_path}: {fault.message}"


@pytest.mark.parametrize("centre", CENTRES)
def test_every_custom_resource_fits_its_operators_schema(centre: str) -> None:
    chosen = custom(written(centre))
    assert {each["kind"] for each in chosen} == set().union(*CUSTOM.values())
    assert [fault for document in chosen for fault in faults(document)] == []


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("Cluster", lambda spec: spec | {"instance": 1}),
        ("Cluster", lambda spec: spec | {"instances": "one"}),
        ("Pooler", lambda spec: spec | {"pgbouncer": spec["pgbouncer"] | {"poolMode": "statement"}}),
        ("HTTPRoute", lambda spec: spec | {"hostnames": ["not a host"]}),
        ("Certificate", lambda spec: spec | {"dnsName": "portal"}),
        ("Gateway", lambda spec: {k: v for k, v in spec.items() if k != "gatewayClassName"}),
        ("Middleware", lambda spec: {"rateLimit": {**spec["rateLimit"], "averge": 200}}),
    ],
    ids=[
        "an unknown field",
        "a wrong type",
        "a mode that the operator lacks",
        "a wrong name",
        "another unknown field",
        "a missing field",
        "a misspelt limit",
    ],
)
def test_a_spoilt_custom_resource_is_refused(
    kind: str, spoil: Callable[[Document], Document], documents: list[Document]
) -> None:
    document = next(each for each in documents if each["kind"] == kind)
    assert list(faults({**document, "spec": spoil(document["spec"])}))
