"""The lab's cluster as an administrator and as a citizen see it, for live tests of what is declared there."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx

from lab import ca
from lab.addresses import NODE_ADDRESS, NODE_BRIDGE
from lab.command import run
from lab.target import layout
from lab.toolchain import tool_path
from tests.support import declared as example
from tests.support.project import ROOT, Project

STACKS = tuple(stack for stack in example.STACKS if stack != "security")


def declared(folder: Path) -> Project:
    """Declare the whole data centre by `pulumi up`, in the order of the README."""
    project = Project.make(folder, layout.KUBECONFIG)
    for stack in STACKS:
        if stack == "data":
            provide(project)
        project.run("stack", "init", stack)
        if stack == "platform":
            tell_folders(project, stack)
        project.up(stack)
    return project


def tell_folders(project: Project, stack: str) -> None:
    for key, folder in (("auditLog", layout.AUDIT), ("podLogs", layout.POD_LOGS), ("agentState", layout.AGENT)):
        project.run("config", "set", key, str(folder), stack=stack)


def provide(project: Project) -> str:
    environment = {**project.environment, "DCSHIFT_S3_CREDENTIALS": str(layout.S3_CREDENTIALS)}
    finished = subprocess.run(
        [sys.executable, "-m", "infra.provide"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def kubectl(*words: str, check: bool = True, typed: str | None = None) -> str:
    finished = subprocess.run(
        [tool_path("kubectl"), "--kubeconfig", layout.KUBECONFIG, *words],
        input=typed,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == 0 or not check, finished.stderr
    return finished.stdout


def secret(namespace: str, name: str) -> dict[str, str]:
    data = json.loads(kubectl("-n", namespace, "get", "secret", name, "-o", "json"))["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def answered(centre: Project, system: str, path: str = "/healthz") -> int:
    return answers(centre, system, 1, path)[0]


def answers(
    centre: Project, system: str, times: int, path: str = "/healthz", *, client_address: str | None = None
) -> list[int]:
    """Ask for a page of a system so many times, one after the other."""
    host = centre.outputs(system)["contract"]["web"]["host"]
    url, headers, extensions = f"https://{NODE_ADDRESS}{path}", {"Host": host}, {"sni_hostname": host}
    transport = httpx.HTTPTransport(verify=ssl_context(), local_address=client_address)
    with httpx.Client(transport=transport, trust_env=False, timeout=60) as client:
        return [client.get(url, headers=headers, extensions=extensions).status_code for _ in range(times)]


def asked_plainly(centre: Project, system: str, path: str) -> httpx.Response:
    """Ask for a page of a system at the edge's port 80, without TLS, and go nowhere else."""
    host = centre.outputs(system)["contract"]["web"]["host"]
    with httpx.Client(trust_env=False, timeout=60) as client:
        return client.get(f"http://{NODE_ADDRESS}{path}", headers={"Host": host})


@contextlib.contextmanager
def second_client() -> Iterator[str]:
    """Yield an address of this machine that is not the node's, from which the gateway can be asked too."""
    address = "192.0.2.77"
    run(["ip", "address", "add", f"{address}/32", "dev", NODE_BRIDGE])
    try:
        yield address
    finally:
        run(["ip", "address", "delete", f"{address}/32", "dev", NODE_BRIDGE])


def served_leaf(host: str) -> bytes:
    """Return the certificate that citizens are shown under a name (DER); fails if the lab's CA did not sign it."""
    with (
        socket.create_connection((NODE_ADDRESS, 443), timeout=60) as connection,
        ssl_context().wrap_socket(connection, server_hostname=host) as secured,
    ):
        return secured.getpeercert(binary_form=True) or b""


def ssl_context() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca.SITES.folder / "ca.pem"))


def connects(namespace: str, deployment: str, system: str, host: str, port: int) -> bool:
    code = f"import socket; socket.create_connection(({host!r}, {port}), 4); print('connected')"
    python = f"/opt/{system}/venv/bin/python"
    said = kubectl("-n", namespace, "exec", f"deploy/{deployment}", "--", python, "-c", code, check=False)
    return "connected" in said


def asked_by(system: str, query: str, **more: str) -> list[str]:
    """Return the one row that a system's web pod gets for a query, with its own login from its own environment."""
    code = f"import psycopg2; c = psycopg2.connect('', **{more!r}).cursor(); c.execute({query!r}); print(*c.fetchone())"
    words = ("exec", f"deploy/{system}-web", "--", f"/opt/{system}/venv/bin/python", "-c", code)
    return kubectl("-n", f"httt-{system}-app", *words, check=False).split("\n")[0].split()
