"""cert-manager as we build it, at a real API server, with its rights of the lab: issued, renewed, re-made."""

from __future__ import annotations

import base64
import copy
import datetime
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from infra.monitoring.alerts import ALERTS
from lab.ca import Authority
from lab.errors import LabError
from lab.loopback import free_ports
from lab.target import documents
from lab.target.layout import CERTIFICATES_NAMESPACE, EDGE_NAMESPACE
from lab.toolchain import tool_path
from tests.support.api_server_kinds import server_with_kinds
from tests.support.asking import Asker, resources_of, until, with_token
from tests.support.declared import built_once

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]
Document = dict[str, Any]
MERGE = {"Content-Type": "application/merge-patch+json"}
SECRET = f"/api/v1/namespaces/{EDGE_NAMESPACE}/secrets/edge-tls"
CERTIFICATE = f"/apis/cert-manager.io/v1/namespaces/{EDGE_NAMESPACE}/certificates/edge"


@dataclass(frozen=True)
class Centre:
    """A server on which cert-manager works, as its administrator and as cert-manager itself may ask it."""

    admin: Asker
    keeper: Asker
    authority: Authority
    metrics: str

    def certificate(self) -> x509.Certificate | None:
        """Return the certificate of the Secret, when it is there."""
        answer = self.admin.client.get(SECRET)
        return x509.load_pem_x509_certificate(data(answer, "tls.crt")) if answer.status_code == 200 else None

    def is_ready(self) -> bool:
        conditions = self.admin.client.get(CERTIFICATE).json().get("status", {}).get("conditions", [])
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    def another(self, than: x509.Certificate, what: str, limit_seconds: float = 240) -> x509.Certificate:
        """Return the certificate that follows this one."""

        def came() -> bool:
            found = self.certificate()
            return found is not None and found.serial_number != than.serial_number

        until(came, what, limit_seconds)
        found = self.certificate()
        assert found
        return found


def key_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def data(answer: httpx.Response, name: str) -> bytes:
    return base64.b64decode(answer.json()["data"][name])


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Centre]:
    folder = tmp_path_factory.mktemp("certificates")
    try:
        program = tool_path("cert-manager")
    except LabError as missing:
        pytest.skip(f"lacks a tool: {missing.what}")
    authority = Authority(folder / "authority", "an authority of this test")
    with server_with_kinds(folder) as api:
        admin = Asker(api.client, resources_of(api))
        made(admin, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": EDGE_NAMESPACE}})
        for document in documents.certificates(authority):
            made(admin, document)
        with with_token(api, "cert-manager", CERTIFICATES_NAMESPACE) as keeper:
            port = free_ports(1)[0]
            file = as_the_account(api.kubeconfig, keeper, folder)
            argv = [program, f"-namespace={EDGE_NAMESPACE}", f"-kubeconfig={file}", f"-metrics=127.0.0.1:{port}"]
            with (folder / "cert-manager.log").open("wb") as log:
                process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                yield Centre(admin, keeper, authority, f"http://127.0.0.1:{port}/metrics")
            finally:
                process.terminate()
                status = process.wait(timeout=120)
    said = (folder / "cert-manager.log").read_text()
    print(said[-4000:])
    assert status == 0
    assert "forbidden" not in said, "it asked for more than it may"


def made(admin: Asker, document: Document) -> None:
    answer = admin.apply(document)
    assert answer.status_code in (200, 201), answer.text


def as_the_account(administrators: Path, keeper: Asker, folder: Path) -> Path:
    """Write a kubeconfig with the account's token and nothing else."""
    config = json.loads(administrators.read_text())
    config["users"] = [{"name": "admin", "user": {"token": keeper.client.headers["Authorization"].partition(" ")[2]}}]
    file = folder / "cert-manager.kubeconfig"
    file.write_text(json.dumps(config))
    return file


@pytest.fixture(scope="module")
def declared() -> Document:
    """The Certificate as the stack `platform` declares it."""
    (found,) = built_once("platform").of("Certificate")
    return copy.deepcopy(found.inputs)


@pytest.fixture
def issued(centre: Centre, declared: Document) -> x509.Certificate:
    made(centre.admin, declared)
    until(centre.is_ready, "the certificate is not ready", 240)
    found = centre.certificate()
    assert found
    return found


def test_what_the_stack_declares_is_issued_by_the_authority_for_every_public_name(
    centre: Centre, issued: x509.Certificate
) -> None:
    issued.verify_directly_issued_by(x509.load_pem_x509_certificate(centre.authority.ensure().read_bytes()))
    names = issued.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["*.khanhhoa.example"]
    key = issued.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    assert issued.not_valid_after_utc - issued.not_valid_before_utc == datetime.timedelta(days=10)
    assert list(issued.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    assert not issued.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_a_secret_that_was_deleted_is_made_again(centre: Centre, issued: x509.Certificate) -> None:
    assert centre.admin.delete(SECRET, dry_run=False).status_code == 200
    again = centre.another(issued, "the Secret was not made again")
    assert key_of(again) != key_of(issued)


def test_a_certificate_is_renewed_before_its_end_each_time_with_another_key(
    centre: Centre, issued: x509.Certificate, declared: Document
) -> None:
    short = {**declared, "spec": {**declared["spec"], "duration": "600s", "renewBefore": "594s"}}
    made(centre.admin, short)
    seen = [issued]
    for _ in range(3):
        seen.append(centre.another(seen[-1], "it was not renewed"))
        # At no moment is there a Secret whose certificate has ended.
        assert seen[-1].not_valid_after_utc - datetime.datetime.now(datetime.UTC) > datetime.timedelta()
    assert len({key_of(each) for each in seen}) == len(seen)
    made(centre.admin, declared)
    for _ in range(10):  # the short one may be renewed once more meanwhile
        seen.append(centre.another(seen[-1], "the longer one did not come"))
        if seen[-1].not_valid_after_utc - seen[-1].not_valid_before_utc > datetime.timedelta(days=1):
            return
    pytest.fail("the longer one did not come")


def test_what_the_alert_asks_for_is_said(centre: Centre, issued: x509.Certificate) -> None:
    """An alert over a series that nobody exports would be silent for ever."""
    said = httpx.get(centre.metrics, trust_env=False).text
    values = {
        line.partition("{")[0]: float(line.rpartition(" ")[2]) for line in said.splitlines() if 'name="edge"' in line
    }
    (alert,) = [each for each in ALERTS if each.name == "CertificateExpiresSoon"]
    asked = set(re.findall(r"certmanager_\w+", alert.expression))
    assert len(asked) == 2 and asked <= set(values)
    assert values["certmanager_certificate_expiration_timestamp_seconds"] == issued.not_valid_after_utc.timestamp()
    assert values["certmanager_certificate_renewal_timestamp_seconds"] > time.time()


def test_the_secret_stays_when_the_certificate_goes(centre: Centre, issued: x509.Certificate) -> None:
    assert centre.admin.delete(CERTIFICATE, dry_run=False).status_code == 200
    time.sleep(2)
    assert centre.certificate() == issued


def test_who_keeps_certificates_reads_no_secret_of_another_namespace(centre: Centre) -> None:
    def may(client: httpx.Client, namespace: str) -> bool:
        return client.get(f"/api/v1/namespaces/{namespace}/secrets").status_code == 200

    assert may(centre.keeper.client, EDGE_NAMESPACE)
    assert not may(centre.keeper.client, "kube-system")
    assert not may(centre.keeper.client, CERTIFICATES_NAMESPACE)
    assert centre.keeper.client.get("/api/v1/secrets").status_code == 403


@pytest.mark.parametrize("words", [(), ("-namespace=",)], ids=["no words", "an empty one"])
def test_it_looks_after_one_namespace_or_none(words: tuple[str, ...], run_program: Callable[..., Any]) -> None:
    done = run_program(*words)
    assert done.returncode == 2
    assert "-namespace is missing" in done.stderr


@pytest.fixture
def run_program() -> Callable[..., Any]:
    try:
        program = tool_path("cert-manager")
    except LabError as missing:
        pytest.skip(f"lacks a tool: {missing.what}")
    return lambda *words: subprocess.run([program, *words], capture_output=True, text=True, check=False, timeout=30)


def test_it_says_what_runs_and_that_is_no_more_than_signs_certificates(run_program: Callable[..., Any]) -> None:
    _, _, controllers = run_program("-version").stdout.strip().partition(": ")
    assert controllers.split(", ") == [
        "certificaterequests-approver",
        "certificaterequests-issuer-ca",
        "certificates-issuing",
        "certificates-key-manager",
        "certificates-readiness",
        "certificates-request-manager",
        "certificates-revision-manager",
        "certificates-trigger",
        "issuers",
    ]
