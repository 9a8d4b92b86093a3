"""Builds a stack under mocks and records every resource with its options; it starts no engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import mocks as pulumi_mocks
from pulumi.runtime import settings as pulumi_settings

CATALOGUE = Path(__file__).resolve().parents[2] / "catalogue" / "khanh-hoa"


@dataclass(frozen=True)
class Declared:
    """One resource as it was registered."""

    type: str
    name: str
    inputs: dict[str, Any]
    protect: bool
    retain: bool
    provider: str

    @property
    def is_object(self) -> bool:
        return self.type.startswith("kubernetes:")

    @property
    def kind(self) -> str:
        return self.type.rpartition(":")[2]

    @property
    def identity(self) -> str:
        metadata = self.inputs.get("metadata", {})
        where = metadata.get("namespace")
        return f"{self.kind} {where + '/' if where else ''}{metadata.get('name', '')}"


@dataclass
class Built:
    """All resources of one stack, and its outputs."""

    resources: list[Declared] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

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
        pulumi_mocks._ensure_event_loop()
        inputs = pulumi_mocks.rpc.deserialize_properties(request.object) if request.HasField("object") else {}
        self._built.resources.append(
            Declared(
                request.type,
                request.name,
                whole(inputs),
                bool(request.protect),
                bool(request.retainOnDelete),
                request.provider,
            )
        )
        return super().RegisterResource(request)


def build(stack: str, config: Mapping[str, str] | None = None, *, preview: bool = False) -> Built:
    """Return everything that a stack declares."""
    from infra import config as infra_config
    from infra.stacks import data, platform, system

    built = Built()
    layers = {"platform": platform.build, "data": data.build, "system": system.build}
    pulumi_settings.set_root_resource(None)
    monitor = _Monitor(built)
    pulumi_mocks.set_mocks(_Mocks(), project="dcshift", stack=stack, preview=preview, monitor=monitor)
    pulumi.runtime.set_all_config({f"dcshift:{key}": value for key, value in (config or {}).items()})

    # The decorator waits for every registration; a loop of one's own would wait for ever.
    @pulumi.runtime.test
    def run() -> None:
        settings = infra_config.read(stack)
        layers[settings.layer](settings)

    run()
    built.outputs = dict(pulumi_settings.get_root_resource().outputs)
    return built
