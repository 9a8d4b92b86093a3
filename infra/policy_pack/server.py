"""Serves policies to one engine until it ends them; the stack and its settings come from the engine itself."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from concurrent import futures
from typing import Any, Final

import grpc
from pulumi.runtime.proto import analyzer_pb2_grpc
from pulumi_policy import EnforcementLevel, Policy
from pulumi_policy import policy as sdk

_SDK: Final[Any] = sdk
_MESSAGE_BYTES_MAX: Final = 1024 * 1024 * 400


class _Servicer(_SDK._PolicyAnalyzerServicer):  # type: ignore[misc]
    """The SDK's own, which forgets what the engine says of the stack when it starts a pack as a program."""

    def ConfigureStack(self, request: Any, context: Any) -> Any:  # noqa: N802  the protocol's name
        # Where the SDK looks for them at each question, and where a language host would have put them.
        os.environ |= {
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_DRY_RUN": str(request.dry_run).lower(),
            "PULUMI_PROJECT": request.project,
            "PULUMI_STACK": request.stack,
        }
        return super().ConfigureStack(request, context)


def serve(name: str, version: str, policies: list[Policy]) -> None:
    """Say the port on stdout and answer until the engine ends this process."""
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=4), options=[("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX)]
    )
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(
        _Servicer(name, version, policies, EnforcementLevel.MANDATORY), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    # The engine ends its programs with an interrupt.
    with contextlib.suppress(KeyboardInterrupt):
        server.wait_for_termination()
