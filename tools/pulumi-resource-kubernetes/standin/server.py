"""The provider protocol over gRPC: turns the engine's requests into calls on objects, and errors into sentences."""

# ruff: noqa: N802  (the names of the methods are the protocol's)
from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent import futures
from dataclasses import replace
from typing import Any, Final, TypeVar

import grpc
from google.protobuf import empty_pb2, struct_pb2
from google.rpc import status_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, provider_pb2_grpc

from standin import NAME, NOTICE, VERSION
from standin.answers import diff_answer, not_ready_answer
from standin.cluster import Cluster, ClusterError
from standin.kinds import UnsupportedError, kind_of
from standin.objects import Objects, Request, object_id
from standin.settings import Settings, refusals, settings
from standin.values import UnsupportedValueError, decode, encode, with_secrets_marked
from standin.waiting import CancelledError, NotReadyError, Waiter

_THREADS: Final = 64
_ENGINE_WATCHED_EVERY_SECONDS: Final = 1.0
_MESSAGE_BYTES_MAX: Final = 400 * 1024 * 1024
_Answer = TypeVar("_Answer")


def _spoken(handler: Callable[..., _Answer]) -> Callable[..., _Answer]:
    """Turn what a handler raises into the gRPC error that the engine prints."""

    @functools.wraps(handler)
    def wrapped(self: Provider, request: Any, context: grpc.ServicerContext) -> _Answer:
        try:
            return handler(self, request, context)
        except (UnsupportedError, UnsupportedValueError) as refused:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(refused))
        except ClusterError as refused:
            code = grpc.StatusCode.UNAVAILABLE if refused.status == 0 else grpc.StatusCode.UNKNOWN
            context.abort(code, str(refused))
        except CancelledError as stopped:
            context.abort(grpc.StatusCode.CANCELLED, str(stopped))
        except NotReadyError as late:
            context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, str(late))
        raise AssertionError("abort always raises")

    return wrapped


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One running plugin; the engine configures it once and then asks in parallel."""

    def __init__(self, engine_address: str | None) -> None:
        self._engine_address = engine_address
        self._engine: engine_pb2_grpc.EngineStub | None = None
        self._cancelled = threading.Event()
        self._settings: Settings | None = None
        self._objects: Objects | None = None

    def GetPluginInfo(self, request: Any, context: Any) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=VERSION)

    def Attach(self, request: Any, context: Any) -> empty_pb2.Empty:
        # One of several engines, one after the other: what the one before said is not said to this one.
        self._engine_address, self._engine = request.address, None
        self._cancelled = threading.Event()
        return empty_pb2.Empty()

    def GetSchema(self, request: Any, context: Any) -> provider_pb2.GetSchemaResponse:
        schema = {"name": "kubernetes", "version": VERSION, "description": NAME, "resources": {}, "functions": {}}
        return provider_pb2.GetSchemaResponse(schema=json.dumps(schema))

    def CheckConfig(self, request: Any, context: Any) -> provider_pb2.CheckResponse:
        failures = [
            provider_pb2.CheckFailure(property=field, reason=sentence)
            for field, sentence in refusals(decode(request.news))
        ]
        return provider_pb2.CheckResponse(inputs=request.news, failures=failures)

    def DiffConfig(self, request: Any, context: Any) -> provider_pb2.DiffResponse:
        old, new = decode(_old_inputs(request)), decode(request.news)
        # Only another cluster makes another provider: a renewed kubeconfig must not replace all that it owns.
        replaces = ["clusterIdentifier"] if old.get("clusterIdentifier") != new.get("clusterIdentifier") else []
        changed = provider_pb2.DiffResponse.DIFF_SOME if old != new else provider_pb2.DiffResponse.DIFF_NONE
        differing = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
        return provider_pb2.DiffResponse(changes=changed, replaces=replaces, diffs=differing)

    @_spoken
    def Configure(self, request: Any, context: Any) -> provider_pb2.ConfigureResponse:
        given = decode(request.args)
        self._settings = settings(given)
        if self._settings.known:
            cluster = Cluster(self._settings.kubeconfig, self._settings.context)
            self._objects = Objects(cluster, self._settings, Waiter(cluster, self._cancelled))
        self._log(NOTICE)
        # Without acceptSecrets the engine gives plain values and itself keeps what was secret encrypted in the state.
        return provider_pb2.ConfigureResponse(
            acceptSecrets=False, acceptResources=False, acceptOutputs=False, supportsPreview=True
        )

    @_spoken
    def Check(self, request: Any, context: Any) -> provider_pb2.CheckResponse:
        inputs = decode(request.news)
        if self._objects is None:
            kind_of(request.type)
            return provider_pb2.CheckResponse(inputs=request.news)
        try:
            completed, problems = self._objects.check(Request(request.urn, inputs))
        except UnsupportedError as refused:
            completed, problems = inputs, [("", str(refused))]
        failures = [provider_pb2.CheckFailure(property=field, reason=reason) for field, reason in problems]
        return provider_pb2.CheckResponse(inputs=encode(with_secrets_marked(completed)), failures=failures)

    @_spoken
    def Diff(self, request: Any, context: Any) -> provider_pb2.DiffResponse:
        if self._objects is None:
            return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_UNKNOWN)
        found = self._objects.diff(Request(request.urn, decode(request.news)), decode(_old_inputs(request)))
        return diff_answer(found)

    @_spoken
    def Create(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        asked = self._request(request, request.properties)
        if self._objects is None:
            return provider_pb2.CreateResponse(properties=request.properties)
        try:
            state = self._objects.create(asked, preview=request.preview)
        except NotReadyError as late:
            self._not_ready(context, asked, late)
            raise
        identifier = "" if request.preview else object_id(asked.inputs)
        return provider_pb2.CreateResponse(id=identifier, properties=encode(with_secrets_marked(state)))

    @_spoken
    def Update(self, request: Any, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        asked = self._request(request, request.news)
        if self._objects is None:
            return provider_pb2.UpdateResponse(properties=request.news)
        try:
            state = self._objects.update(asked, decode(request.olds), preview=request.preview)
        except NotReadyError as late:
            self._not_ready(context, asked, late, decode(request.olds))
            raise
        return provider_pb2.UpdateResponse(properties=encode(with_secrets_marked(state)))

    @_spoken
    def Read(self, request: Any, context: Any) -> provider_pb2.ReadResponse:
        if self._objects is None:
            raise UnsupportedError("an object cannot be read before the cluster is known")
        asked = Request(request.urn, decode(request.inputs))
        found = self._objects.read(asked, request.id, decode(request.properties))
        if found is None:
            return provider_pb2.ReadResponse()
        if found.readiness.verdict != "ready":
            # The engine keeps what was read, warns, and lets the next `up` wait for it again.
            self._fail(
                context, not_ready_answer(replace(asked, inputs=found.inputs), found.state, [found.readiness.why])
            )
        return provider_pb2.ReadResponse(
            id=request.id,
            inputs=encode(with_secrets_marked(found.inputs)),
            properties=encode(with_secrets_marked(found.state)),
        )

    @_spoken
    def Delete(self, request: Any, context: Any) -> empty_pb2.Empty:
        if self._objects is None:
            raise UnsupportedError("an object cannot be deleted before the cluster is known")
        state = decode(request.properties)
        self._objects.delete(self._request(request, request.properties), state)
        return empty_pb2.Empty()

    @_spoken
    def Invoke(self, request: Any, context: Any) -> provider_pb2.InvokeResponse:
        raise UnsupportedError(f"the stand-in plugin has no functions such as {request.tok}; declare typed resources")

    @_spoken
    def Construct(self, request: Any, context: Any) -> provider_pb2.ConstructResponse:
        raise UnsupportedError(f"the stand-in plugin has no components such as {request.type}; declare typed resources")

    def Cancel(self, request: Any, context: Any) -> empty_pb2.Empty:
        self._cancelled.set()
        return empty_pb2.Empty()

    def _request(self, request: Any, inputs: struct_pb2.Struct) -> Request:
        return Request(
            request.urn,
            decode(inputs),
            timeout_seconds=request.timeout,
            progress=lambda text: self._log(text, urn=request.urn, ephemeral=True),
        )

    def _not_ready(
        self, context: grpc.ServicerContext, asked: Request, late: NotReadyError, state: dict[str, Any] | None = None
    ) -> None:
        assert self._objects is not None
        status = not_ready_answer(asked, self._objects.state_of(asked, late.live, state or {}), late.reasons)
        self._fail(context, status)

    def _fail(self, context: grpc.ServicerContext, status: status_pb2.Status) -> None:
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode.UNKNOWN, status.message)

    def _log(self, text: str, *, urn: str = "", ephemeral: bool = False) -> None:
        if not self._engine_address:
            return
        if self._engine is None:
            self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(self._engine_address))
        message = engine_pb2.LogRequest(severity=engine_pb2.INFO, message=text, urn=urn, ephemeral=ephemeral)
        # A word that does not arrive must not fail the work that it speaks of.
        with contextlib.suppress(grpc.RpcError):
            self._engine.Log(message, timeout=5)


def _old_inputs(request: Any) -> struct_pb2.Struct:
    found: struct_pb2.Struct = request.old_inputs if request.HasField("old_inputs") else request.olds
    return found


def _end_with(engine: int) -> None:
    """End when the engine is gone: one that was killed asks nothing more, and would leave us behind for ever."""
    while os.getppid() == engine:
        time.sleep(_ENGINE_WATCHED_EVERY_SECONDS)
    os._exit(0)


def serve(arguments: list[str], engine: int) -> None:
    """Serve on a free loopback port, print it for the engine, and stay as long as the process `engine` lives."""
    options = [
        ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", _MESSAGE_BYTES_MAX),
    ]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=_THREADS), options=options)
    addresses = [word for word in arguments if not word.startswith("-")]
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(addresses[0] if addresses else None), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    threading.Thread(target=_end_with, args=(engine,), daemon=True).start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()
