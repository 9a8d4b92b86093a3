"""One plugin for several engines, one after the other: what one of them stopped, the next one waits for again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc
from standin.server import Provider
from standin.values import encode

NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}
URN = "urn:pulumi:s::p::kubernetes:core/v1:Namespace::x"


class _Api(BaseHTTPRequestHandler):
    """Serves one namespace that becomes active the second time it is read."""

    reads = 0

    def log_message(self, *words: Any) -> None:
        pass

    def _say(self, status: int, document: dict[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path == "/api/v1":
            self._say(200, {"resources": [{"kind": "Namespace", "name": "namespaces", "namespaced": False}]})
            return
        _Api.reads += 1
        phase = "Active" if _Api.reads > 2 else "Terminating"
        found = {**NAMESPACE, "metadata": {"name": "x", "uid": "1"}, "status": {"phase": phase}}
        self._say(200, found) if _Api.reads > 1 else self._say(404, {"message": "none"})

    def do_PATCH(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._say(201, {**NAMESPACE, "metadata": {"name": "x", "uid": "1"}, "status": {"phase": "Terminating"}})


@pytest.fixture
def kubeconfig() -> Iterator[str]:
    _Api.reads = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    where = {"cluster": {"server": f"http://127.0.0.1:{server.server_port}"}, "name": "c"}
    yield json.dumps({
        "apiVersion": "v1", "kind": "Config", "clusters": [where], "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x",
    })  # fmt: skip
    server.shutdown()
    server.server_close()


@pytest.fixture
def plugin() -> Iterator[provider_pb2_grpc.ResourceProviderStub]:
    from concurrent import futures

    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(None), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)
    server.stop(None)


def test_a_stop_of_the_engine_before_is_not_one_of_the_next(
    plugin: provider_pb2_grpc.ResourceProviderStub, kubeconfig: str
) -> None:
    def engine() -> None:
        plugin.Attach(plugin_pb2.PluginAttach(address=""))
        plugin.Configure(provider_pb2.ConfigureRequest(args=encode({"kubeconfig": kubeconfig})))

    engine()
    plugin.Cancel(provider_pb2_grpc.google_dot_protobuf_dot_empty__pb2.Empty())
    asked = provider_pb2.CreateRequest(urn=URN, properties=encode(NAMESPACE), timeout=120)
    engine()
    assert plugin.Create(asked).id == "x"
