"""Builds a stack under Pulumi's mocks and records every resource with its options; it starts no engine.

Mocks and the stack's name are global to the process: one build at a time, never from two threads.
"""

from __future__ import annotations

import asyncio
import atexit
import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pulumi
from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime import settings as pulumi_settings

from catalogue.load import load
from infra import collecting, order
from infra import config as infra_config
from infra.config import Settings
from infra.rules.judge import Item, options
from infra.stacks import layers

# What mocks do not show is reached through names that the SDK does not type.
_MOCKS: Final[Any] = pulumi_mocks
_RUNTIME: Final[Any] = pulumi_settings


@dataclass(frozen=True, slots=True)
class Declared:
    """One resource as it was registered."""

    type: str
    name: str
    inputs: dict[str, Any]
    protect: bool
    retain: bool
    provider: str
    parent: str = ""
    """Type and name of what it belongs to, `dcshift:platform:Edge::edge`: a component, or the stack itself."""
    ignored: tuple[str, ...] = ()
    """Fields whose change the engine does not look at, such as `spec.bootstrap`."""
    replaced_after_deletion: bool = False
    """Whether a replacement deletes first: under one name the other order deletes what it has just made."""

    @property
    def is_object(self) -> bool:
        return self.type.startswith("kubernetes:")

    @property
    def kind(self) -> str:
        return self.type.rpartition(":")[2]

    @property
    def item(self) -> Item:
        """The object as rules judge it."""
        known = options(
            protect=self.protect,
            retain=self.retain,
            deleted_first=self.replaced_after_deletion,
            ignored=self.ignored,
        )
        return Item(self.inputs, known)

    @property
    def identity(self) -> str:
        metadata = self.inputs.get("metadata", {})
        where = metadata.get("namespace")
        return f"{self.kind} {where + '/' if where else ''}{metadata.get('name', '')}"


@dataclass(slots=True)
class Built:
    """All resources of one stack, its outputs, and the settings that it was built from."""

    stack: str
    resources: list[Declared] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    settings: Settings | None = None

    @property
    def objects(self) -> list[Declared]:
        return [resource for resource in self.resources if resource.is_object]

    def of(self, kind: str) -> list[Declared]:
        return [resource for resource in self.objects if resource.kind == kind]


def whole(value: Any) -> Any:
    """Return a value with whole floats as integers: mocks hand over doubles only."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    return [whole(item) for item in value] if isinstance(value, list) else value


def _above(urn: str) -> str:
    kind, _, name = urn.partition("::")[2].partition("::")[2].partition("::")
    return f"{kind.rpartition('$')[2]}::{name}" if name else ""


class _Mocks(pulumi_mocks.Mocks):
    def call(self, args: Any) -> tuple[dict[str, Any], list[Any] | None]:
        raise AssertionError(f"the program called {args.token}; it must only declare")

    def new_resource(self, args: Any) -> tuple[str, dict[str, Any]]:
        return f"{args.name}-id", dict(args.inputs)


class _Monitor(pulumi_mocks.MockMonitor):
    """Mocks hide options such as `protect`: this records the request itself."""

    def __init__(self, built: Built) -> None:
        super().__init__(_Mocks())
        self._built = built

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  the protocol's name
        _ensure_event_loop()  # the engine's SDK registers in threads of its own
        inputs = _MOCKS.rpc.deserialize_properties(request.object) if request.HasField("object") else {}
        self._built.resources.append(
            Declared(
                request.type,
                request.name,
                whole(inputs),
                bool(request.protect),
                bool(request.retainOnDelete),
                request.provider,
                _above(request.parent),
                tuple(request.ignoreChanges),
                bool(request.deleteBeforeReplace),
            )
        )
        return _MOCKS.MockMonitor.RegisterResource(self, request)


def build(
    stack: str, config: Mapping[str, str] | None = None, *, preview: bool = False, catalogue: Path | None = None
) -> Built:
    """Return everything that a stack declares under a configuration (keys without `dcshift:`).

    The catalogue is the one of the environment unless its folder is given.

    Raises `ConfigError`, `CatalogueError`, and what the program itself raises.
    """
    built = Built(stack)
    _RUNTIME.set_root_resource(None)
    monitor = _Monitor(built)
    _ensure_event_loop()  # what ran before in this process may have closed its own and left none
    pulumi_mocks.set_mocks(_Mocks(), project="dcshift", stack=stack, preview=preview, monitor=monitor)
    pulumi.runtime.set_all_config({f"dcshift:{key}": value for key, value in (config or {}).items()})

    def run() -> None:
        built.settings = infra_config.read(stack, catalogue)
        layers.build(built.settings)

    # Meant as a decorator of tests: it waits for every registration; a loop of one's own would wait for ever.
    waiting: Any = pulumi.runtime.test
    with collecting.rarely():
        waiting(run)()
    built.outputs = dict(_RUNTIME.get_root_resource().outputs)
    return built


def _ensure_event_loop() -> None:
    """See that this thread has an event loop, which is closed when the process ends.

    One that is left open is closed by the interpreter, perhaps after its sockets: people then read a traceback.
    """
    _MOCKS._ensure_event_loop()
    _close_at_exit(asyncio.get_event_loop())


@functools.cache
def _close_at_exit(loop: asyncio.AbstractEventLoop) -> None:
    atexit.register(loop.close)


def stacks() -> Iterator[str]:
    """Yield the names of all stacks of the catalogue, in the order in which data flows. Raises `CatalogueError`."""
    yield from order.every(load(infra_config.catalogue_folder()))
