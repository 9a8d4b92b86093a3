"""Gives the engine our program from this process, so that a centre of many stacks starts Python once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any, Final

import grpc
import pulumi
from pulumi.automation import _server
from pulumi.runtime.proto import language_pb2_grpc

from infra import config, ending
from infra.stacks import layers

Program = Callable[[], None]
_MESSAGE_BYTES_MAX: Final = 400 * 1024 * 1024
_OPTIONS: Final = [
    ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", _MESSAGE_BYTES_MAX),
]
# The Automation API's own server; its public face asks the command line five more questions at each `up`.
_SERVER: Final[Any] = _server.LanguageServer


def declare() -> None:
    """Build the layer of the stack that the engine asks for; it was judged before. Raises `pulumi.RunError`."""
    try:
        layers.run(config.read(pulumi.get_stack()))
    except ending.FAULTS as fault:
        raise pulumi.RunError(str(ending.thoughts(fault))) from fault


@contextmanager
def served(program: Program = declare) -> Iterator[list[str]]:
    """Serve a program to engines, and yield the words that lead `pulumi` here.

    Two engines at once are served as well: the SDK keeps each run in a context of its own.
    """
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=_OPTIONS)
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(_SERVER(program), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield [f"--client=127.0.0.1:{port}", "--exec-kind", "auto.inline"]
    finally:
        server.stop(None)
