"""The target for real: pods, PostgreSQL, policies, the gateway and the object store do what others rely on."""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import obstore
import pytest
from obstore.store import S3Store

from lab import target
from lab.addresses import DOMAIN, NODE_ADDRESS
from lab.errors import LabError
from lab.images import image_name
from lab.target import documents, layout
from lab.target.api import Api, Document, path_of
from lab.target.processes import wait_until
from tests.support.lab_centre import served_leaf, ssl_context

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]
CONFINED = {"runAsNonRoot": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
CONFINED_POD = {"seccompProfile": {"type": "RuntimeDefault"}, "runAsUser": 10001}


@pytest.fixture(scope="module")
def api(standing_target: None) -> Iterator[Api]:
    client = Api()
    yield client
    client.close()


@pytest.fixture(scope="module")
def namespace(api: Api) -> Iterator[str]:
    name = f"live-{secrets.token_hex(3)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    wait_until("its account", lambda: api.get(f"/api/v1/namespaces/{name}/serviceaccounts/default") is not None, 240)
    yield name
    if target.status().absent:  # the last test kills it all
        return
    api.delete(f"/api/v1/namespaces/{name}")
    wait_until("its end", lambda: api.get(f"/api/v1/namespaces/{name}") is None, 120)
    for volume in documents.storage()[1:]:  # give back what the tests used up: volumes are never reused by themselves
        used = api.get(path_of(volume)) or {}
        if used.get("spec", {}).get("claimRef", {}).get("namespace") == name:
            api.delete(path_of(volume))
            shutil.rmtree(volume["spec"]["local"]["path"])
            Path(volume["spec"]["local"]["path"]).mkdir()
            api.apply(volume)


def pod(namespace: str, name: str, script: str, **container: Any) -> Document:
    command = ["/bin/sh", "-c", script]
    image = {"name": "main", "image": image_name("probe"), "command": command, "securityContext": CONFINED, **container}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {"containers": [image], "securityContext": CONFINED_POD, "terminationGracePeriodSeconds": 0},
    }


def log(api: Api, namespace: str, name: str, lines: int = 5) -> list[str]:
    return api.text(f"/api/v1/namespaces/{namespace}/pods/{name}/log?tailLines={lines}").splitlines()


@pytest.fixture(scope="module")
def server(api: Api, namespace: str) -> str:
    script = "echo answered > /tmp/index.html; exec busybox httpd -f -p 8080 -h /tmp"
    api.apply(pod(namespace, "server", script))
    path = f"/api/v1/namespaces/{namespace}/pods/server"
    wait_until("the server", lambda: api.condition(path, "Ready"), 240)
    return str((api.get(path) or {})["status"]["podIP"])


def test_the_tools_in_the_cluster_are_all_well(api: Api) -> None:
    assert target.status().ready


def test_a_pod_finds_services_by_name(api: Api, namespace: str) -> None:
    script = f"nslookup kubernetes.default.svc.{layout.CLUSTER_DOMAIN}; sleep 60"
    api.apply(pod(namespace, "resolver", script))
    wait_until(
        "the address", lambda: any(layout.CLUSTER_ADDRESS in line for line in log(api, namespace, "resolver")), 60
    )


def test_a_pod_with_more_rights_than_allowed_is_refused(api: Api, namespace: str) -> None:
    privileged = pod(namespace, "privileged", "true", securityContext={"privileged": True})
    with pytest.raises(LabError, match="refused"):
        api.apply(privileged)


def test_a_policy_denies_all_and_allows_what_it_names(api: Api, namespace: str, server: str) -> None:
    request = "printf 'GET / HTTP/1.0\\r\\n\\r\\n'"
    answer = f"{request} | nc -w 1 {server} 8080 2>/dev/null | grep answered || echo refused"
    ask = f"while :; do {answer}; usleep 200000; done"
    for name in ("friend", "stranger"):
        api.apply(pod(namespace, name, ask))
    for name in ("friend", "stranger"):
        wait_until(f"an answer to {name}", lambda name=name: "answered" in log(api, namespace, name), 240)
    policy: Document = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "server", "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": {"app": "server"}}, "policyTypes": ["Ingress"]},
    }
    api.apply(policy)
    for name in ("friend", "stranger"):
        wait_until(f"refusal of {name}", lambda name=name: log(api, namespace, name, 3) == ["refused"] * 3, 240)
    policy["spec"]["ingress"] = [{"from": [{"podSelector": {"matchLabels": {"app": "friend"}}}]}]
    api.apply(policy)
    wait_until("the friend's answer", lambda: log(api, namespace, "friend", 3) == ["answered"] * 3, 240)
    assert log(api, namespace, "stranger", 3) == ["refused"] * 3
    api.delete(f"/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies/server")


def test_a_route_serves_over_tls_while_its_certificate_is_renewed(api: Api, namespace: str, server: str) -> None:
    host = f"live.{DOMAIN}"
    # Not what the webhook would take, which is not there: it lives a minute and is renewed every ten seconds.
    certificate = {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": "live", "namespace": layout.EDGE_NAMESPACE},
        "spec": {
            "secretName": "live-tls",
            "dnsNames": [host],
            "duration": "600s",
            "renewBefore": "590s",
            "privateKey": {"algorithm": "ECDSA", "rotationPolicy": "Always"},
            "issuerRef": {"kind": "Issuer", "name": layout.ISSUER},
        },
    }
    tls = {"certificateRefs": [{"name": "live-tls"}]}
    everyone = {"namespaces": {"from": "All"}}
    listener = {"name": "https", "port": 443, "protocol": "HTTPS", "hostname": host, "allowedRoutes": everyone}
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "live", "namespace": layout.EDGE_NAMESPACE},
        "spec": {"gatewayClassName": layout.GATEWAY_CLASS, "listeners": [{**listener, "tls": tls}]},
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "server", "namespace": namespace},
        "spec": {"selector": {"app": "server"}, "ports": [{"port": 8080}]},
    }
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "live", "namespace": namespace},
        "spec": {
            "parentRefs": [{"name": "live", "namespace": layout.EDGE_NAMESPACE}],
            "hostnames": [host],
            "rules": [{"backendRefs": [{"name": "server", "port": 8080}]}],
        },
    }
    path = f"/apis/gateway.networking.k8s.io/v1/namespaces/{layout.EDGE_NAMESPACE}/gateways/live"
    try:
        api.apply(certificate)
        wait_until("the certificate: ready", lambda: api.condition(path_of(certificate), "Ready"), 240)
        api.apply_all([gateway, service, route])
        wait_until("the gateway: programmed", lambda: api.condition(path, "Programmed"), 240)
        # Until the route is known, the gateway shows a certificate of its own.
        wait_until("an answer through the gateway", lambda: served(host), 240)
        seen, failed, asked, end = {served_leaf(host)}, 0, 0, time.monotonic() + 240
        while len(seen) < 4:
            assert time.monotonic() < end, f"{len(seen) - 1} renewals were served in four minutes"
            # A connection of its own for each: one that stays open would never meet the new certificate.
            failed, asked = failed + (not served(host)), asked + 1
            seen.add(served_leaf(host))
        print(f"{asked} requests, {failed} failed, {len(seen) - 1} renewals")
        assert failed == 0
    finally:
        api.delete(path_of(certificate))
        api.delete(path)


def served(host: str) -> bool:
    request = {"headers": {"host": host}, "extensions": {"sni_hostname": host}}
    with httpx.Client(verify=ssl_context(), trust_env=False, timeout=30.0) as client:
        try:
            answer = client.get(f"https://{NODE_ADDRESS}/", **request)  # type: ignore[arg-type]
        except httpx.TransportError:
            return False
    return answer.status_code == 200 and answer.text.strip() == "answered"


def test_a_postgres_cluster_gets_ready_with_our_operand_image(api: Api, namespace: str) -> None:
    cluster = {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Cluster",
        "metadata": {"name": "db", "namespace": namespace},
        "spec": {
            "instances": 1,
            "imageName": image_name("postgresql"),
            "storage": {"size": "1Gi", "storageClass": layout.STORAGE_CLASS},
            "bootstrap": {"initdb": {"database": "app", "owner": "app", "localeCollate": "vi_VN.UTF-8"}},
        },
    }
    api.apply(cluster)
    path = f"/apis/postgresql.cnpg.io/v1/namespaces/{namespace}/clusters/db"
    wait_until("the cluster: ready", lambda: api.condition(path, "Ready"), 180, 0.5)
    found = api.get(path) or {}
    assert found["status"]["readyInstances"] == 1
    # A namespace that is deleted with a pod in it looks again after half of the pod's grace, here 15 minutes.
    api.delete(path)
    pods = f"/api/v1/namespaces/{namespace}/pods?labelSelector=cnpg.io%2Fcluster%3Ddb"
    wait_until("the end of its pods", lambda: not api.items(pods), 240)


def test_the_object_store_answers_its_own_key_and_refuses_others(api: Api) -> None:
    credentials = json.loads(layout.S3_CREDENTIALS.read_text())
    assert layout.S3_CREDENTIALS.stat().st_mode & 0o777 == 0o600

    def store(secret_key: str) -> S3Store:
        return S3Store(
            "no-such-bucket",
            endpoint=credentials["endpoint"],
            region=credentials["region"],
            access_key_id=credentials["access_key"],
            secret_access_key=secret_key,
            client_options={"allow_http": True},
            virtual_hosted_style_request=False,
        )

    with pytest.raises(FileNotFoundError):  # the key is right: only the bucket is missing
        obstore.get(store(credentials["secret_key"]), "a")
    with pytest.raises(obstore.exceptions.PermissionDeniedError):
        obstore.get(store("wrong"), "a")
