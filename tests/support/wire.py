"""Real packets between real pods: who reaches whom in the cluster, tried from inside every pod's own network.

Each end of the declared centre is a pod with that end's labels: the one that runs, or a stand-in beside it. At every
pod something listens at every port that is asked for, so that what does not connect was held up on its way.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from infra.reachability.centre import Centre
from infra.reachability.ends import End, Pods

Kubectl = Callable[..., str]
STAND_IN: Final = "packets"
_UID: Final = 10001
_START_SECONDS_MAX: Final = 240.0
_ANSWER_SECONDS_MAX: Final = 3.0
_AT_ONCE: Final = 6
_DNS_PORT: Final = 53
_ASK: Final = """
import asyncio, json, sys
async def one(address, port, seconds):
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), seconds)
        writer.close()
        return True
    except (OSError, asyncio.TimeoutError):
        return False
async def every(asked, seconds):
    return await asyncio.gather(*(one(*each, seconds) for each in asked))
given = json.load(sys.stdin)
print(json.dumps(asyncio.run(every(given["asked"], given["seconds"]))))
"""
_LISTEN: Final = """
import asyncio, errno, sys
async def serve(ports):
    for port in ports:
        try:
            await asyncio.start_server(lambda _, writer: writer.close(), "0.0.0.0", port)
        except OSError as refused:
            if refused.errno != errno.EADDRINUSE:  # the application itself listens there
                raise
    print("listening", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(serve([int(port) for port in sys.argv[1:]]))
"""

_ASK_UDP: Final = """
import asyncio, json, sys
class One(asyncio.DatagramProtocol):
    def __init__(self):
        self.answered = asyncio.get_running_loop().create_future()
    def datagram_received(self, data, sender):
        self.answered.done() or self.answered.set_result(True)
async def one(address, port, seconds):
    open_to = asyncio.get_running_loop().create_datagram_endpoint(One, remote_addr=(address, port))
    transport, protocol = await open_to
    try:
        for _ in range(3):  # a datagram may be lost
            transport.sendto(b"?")
            if (await asyncio.wait([protocol.answered], timeout=seconds / 3))[0]:
                return True
        return False
    finally:
        transport.close()
async def every(asked, seconds):
    return await asyncio.gather(*(one(*each, seconds) for each in asked))
given = json.load(sys.stdin)
print(json.dumps(asyncio.run(every(given["asked"], given["seconds"]))))
"""
_LISTEN_UDP: Final = """
import asyncio, errno, sys
class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
    def datagram_received(self, data, sender):
        self.transport.sendto(data, sender)
async def serve(ports):
    for port in ports:
        try:
            await asyncio.get_running_loop().create_datagram_endpoint(Echo, local_addr=("0.0.0.0", port))
        except OSError as refused:
            if refused.errno != errno.EADDRINUSE:  # the application itself listens there
                raise
    print("listening", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(serve([int(port) for port in sys.argv[1:]]))
"""
_LISTENERS: Final = {"TCP": _LISTEN, "UDP": _LISTEN_UDP}
_ASKERS: Final = {"TCP": _ASK, "UDP": _ASK_UDP}


@dataclass(frozen=True, slots=True)
class Station:
    """A pod on the wire: the end it is, its address, and a process inside its network namespace."""

    end: str
    address: str
    pid: int


Path3 = tuple[str, str, int]
"""Sender, receiver and the receiver's port."""


def proved(centre: Centre, outside: Mapping[str, int], *, more_ports: Sequence[int]) -> dict[Path3, bool]:
    """Return what the proof says of every two ends that are pods, and of the ends `outside` at their one port."""
    pods = _pods(centre)
    ports = sorted({port.number for end in pods for port in end.ports or ()} | set(more_ports))
    around = [end for end in centre.ends if end.name in outside]
    asked: list[tuple[End, int]] = [(end, port) for end in pods for port in ports]
    asked += [(end, outside[end.name]) for end in around]
    return {
        (source.name, target.name, port): centre.network.verdict(source, target, port).allowed
        for source in pods
        for target, port in asked
        if source != target
    }


def proved_of_datagrams(centre: Centre, over_tcp: Mapping[Path3, bool], *, port: int) -> dict[Path3, bool]:
    """Return what the proof says of UDP: where TCP is open, and for every two pods at a port that nobody names.

    Each receiver is asked by itself too, which no policy forbids: so a listener that hears nothing is no proof.
    """
    ends = {end.name: end for end in _pods(centre)}
    among_pods = [path for path in over_tcp if path[0] in ends and path[1] in ends]
    # Names are asked of the cluster over UDP: that answers is seen by everything that runs.
    asked = {path for path in among_pods if over_tcp[path] and path[2] != _DNS_PORT}
    asked |= {(source, target, port) for source, target, _ in among_pods}
    found = {
        (source, target, number): centre.network.verdict(ends[source], ends[target], number, "UDP").allowed
        for source, target, number in sorted(asked)
    }
    return found | {(target, target, number): True for _, target, number in asked}


def certain(expected: Mapping[Path3, bool], centre: Centre) -> Callable[[Path3, bool], bool]:
    """Return the judge of what was seen on a path.

    Of pods that we do not declare the proof knows no labels, and says open where the real pod may be held up.
    """
    unknown = {end.name for end in _pods(centre) if end.labels is None}

    def as_proved(path: Path3, seen: bool) -> bool:
        return seen == expected[path] or (not seen and bool(unknown & set(path[:2])))

    return as_proved


def _pods(centre: Centre) -> list[Pods]:
    return [end for end in centre.ends if isinstance(end, Pods)]


@contextmanager
def stations(
    centre: Centre, kubectl: Kubectl, image: str, namespaces: Mapping[str, str]
) -> Iterator[dict[str, Station]]:
    """Yield a pod for every end that is one, made where none runs; what was made is removed.

    `namespaces` gives the real namespace of an end whose own is only a name.
    """
    ends = [replace(end, namespace=namespaces.get(end.name, end.namespace)) for end in _pods(centre)]
    made: list[tuple[str, str]] = []
    try:
        documents: list[dict[str, Any]] = []
        for end in ends:
            if _running(kubectl, end) is None:
                name = f"{STAND_IN}-{end.name.replace('/', '-').lower()}"
                made += [(end.namespace, f"pod/{name}"), (end.namespace, f"serviceaccount/{name}")]
                documents += _documents(name, end, image)
        kubectl("apply", "-f", "-", typed=json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))
        yield {end.name: _station(end, kubectl) for end in ends}
    finally:
        for namespace, thing in made:
            kubectl("-n", namespace, "delete", thing, "--ignore-not-found", "--grace-period=0", check=False)


def _station(end: Pods, kubectl: Kubectl) -> Station:
    """Wait until a pod of this end runs."""
    until = time.monotonic() + _START_SECONDS_MAX
    while True:
        pod = _running(kubectl, end)
        if pod is not None and (pid := _process(pod["metadata"]["uid"])) is not None:
            return Station(end.name, pod["status"]["podIP"], pid)
        assert time.monotonic() < until, f"no pod of {end.name} runs in {end.namespace}"
        time.sleep(0.5)


def _running(kubectl: Kubectl, end: Pods) -> Any:
    chosen = ["-l", ",".join(f"{key}={value}" for key, value in end.labels.items())] if end.labels else []
    listed = json.loads(kubectl("-n", end.namespace, "get", "pods", *chosen, "-o", "json"))["items"]
    for pod in listed:
        if pod["status"].get("phase") == "Running" and not pod["spec"].get("hostNetwork"):
            return pod
    return None


def _documents(name: str, end: Pods, image: str) -> list[dict[str, Any]]:
    metadata = {"name": name, "namespace": end.namespace}
    confined = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    container = {
        "name": "main",
        "image": image,
        "command": ["/bin/sh", "-c", "sleep 3600"],
        "securityContext": confined,
        "resources": {side: {"cpu": "10m", "memory": "16Mi"} for side in ("requests", "limits")},
    }
    spec = {
        "containers": [container],
        "serviceAccountName": name,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}, "runAsUser": _UID, "runAsNonRoot": True},
    }
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "labels": dict(end.labels or {})}, "spec": spec},
    ]


def _process(uid: str) -> int | None:
    """Return the oldest process of a pod, known by its control group: it lives as long as the pod does."""
    marks, found = (f"pod{uid}", f"pod{uid.replace('-', '_')}"), list[tuple[int, int]]()
    for group in Path("/proc").glob("[0-9]*/cgroup"):
        try:
            text = group.read_text()
            if any(mark in text for mark in marks):
                # Field 22, behind the name in brackets: when it began.
                began = int((group.parent / "stat").read_text().rpartition(")")[2].split()[19])
                found.append((began, int(group.parent.name)))
        except OSError:
            continue  # it ended meanwhile
    return min(found)[1] if found else None


def _inside(station: Station) -> list[str]:
    return ["nsenter", f"--net=/proc/{station.pid}/ns/net", sys.executable, "-c"]


@contextmanager
def listening(targets: Iterable[Station], ports: Sequence[int], protocol: str = "TCP") -> Iterator[None]:
    """Let something listen at each of these ports of each pod, beside what listens there already."""
    with ExitStack() as stack:
        begun = []
        for target in targets:
            argv = [*_inside(target), _LISTENERS[protocol], *map(str, ports)]
            process = stack.enter_context(
                subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            )
            assert process.stdin is not None
            stack.callback(process.stdin.close)
            begun.append((target, process))
        for target, process in begun:
            assert process.stdout is not None
            assert process.stdout.readline() == "listening\n", f"nothing listens at {target.end}"
        yield


def sent(
    sources: Mapping[str, Station], targets: Mapping[str, str], paths: Iterable[Path3], protocol: str = "TCP"
) -> dict[Path3, bool]:
    """Open one connection, or send a datagram, for every path and say which were answered.

    `targets` gives each receiver's address.
    """
    by_source: dict[str, list[Path3]] = {}
    for path in paths:
        by_source.setdefault(path[0], []).append(path)

    def of_one(name: str) -> list[tuple[Path3, bool]]:
        listed = by_source[name]
        asked = [(targets[target], port) for _, target, port in listed]
        finished = subprocess.run(
            [*_inside(sources[name]), _ASKERS[protocol]],
            input=json.dumps({"asked": asked, "seconds": _ANSWER_SECONDS_MAX}),
            capture_output=True,
            text=True,
            timeout=_ANSWER_SECONDS_MAX + 60,
            check=True,
        )
        return list(zip(listed, json.loads(finished.stdout), strict=True))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(one for answers in pool.map(of_one, by_source) for one in answers)


def settled(
    paths: Iterable[Path3],
    as_proved: Callable[[Path3, bool], bool],
    send: Callable[[Iterable[Path3]], Mapping[Path3, bool]],
    *,
    seconds_max: float,
) -> dict[Path3, bool]:
    """Return what was seen on paths that are otherwise than proved, after the enforcer had time to see new pods."""
    until = time.monotonic() + seconds_max
    left = {path: seen for path, seen in send(paths).items() if not as_proved(path, seen)}
    while left and time.monotonic() < until:
        left = {path: seen for path, seen in send(left).items() if not as_proved(path, seen)}
    return left
