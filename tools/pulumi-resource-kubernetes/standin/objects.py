"""Create, change, read and delete one object; knows Kubernetes and no gRPC. It never adopts what it did not create."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from standin import drift, readiness
from standin.cluster import Cluster, ClusterError, Document
from standin.difference import FieldChange, changes
from standin.kinds import Kind, UnsupportedError, immutable_paths, kind_of, wait_seconds
from standin.settings import Settings
from standin.values import has_unknown, without_nulls
from standin.waiting import Waiter

MANAGER_KEY: Final = "__fieldManager"
UID_KEY: Final = "__uid"
_FORCE: Final = "pulumi.com/patchForce"
_PROPAGATION: Final = "pulumi.com/deletionPropagationPolicy"


@dataclass(frozen=True, slots=True)
class Request:
    """One resource of a program: its URN, its inputs and how long it may take (0: the kind's own limit)."""

    urn: str
    inputs: Document
    timeout_seconds: float = 0
    progress: Callable[[str], None] = lambda text: None

    @property
    def kind(self) -> Kind:
        return kind_of(self.urn.split("::")[2].rpartition("$")[2])

    @property
    def namespace(self) -> str:
        return str(self.inputs["metadata"].get("namespace", ""))

    @property
    def name(self) -> str:
        return str(self.inputs["metadata"]["name"])

    def limit_seconds(self) -> float:
        """Return how long a wait may take: the program's word, then the annotation, then the kind's own."""
        if self.timeout_seconds:
            return self.timeout_seconds
        said = readiness.annotation(self.inputs, readiness.TIMEOUT)
        return float(said) if said else wait_seconds(self.kind)


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as it was read: what it is declared as, what the engine keeps of it, and whether it is ready."""

    inputs: Document
    state: Document
    readiness: readiness.State


def manager_of(urn: str) -> str:
    """Return the field manager of a resource: one for each URN, so no two resources share a field unseen."""
    return f"pulumi-kubernetes-standin-{hashlib.sha256(urn.encode()).hexdigest()[:8]}"


def object_id(document: Document) -> str:
    """Return `namespace/name`, or the name alone."""
    metadata = document["metadata"]
    return "/".join(part for part in (metadata.get("namespace"), metadata["name"]) if part)


class Objects:
    """The objects of one cluster."""

    def __init__(self, cluster: Cluster, settings: Settings, waiter: Waiter) -> None:
        self._cluster, self._settings, self._waiter = cluster, settings, waiter

    def check(self, request: Request) -> tuple[Document, list[tuple[str, str]]]:
        """Return the completed inputs and, for each that cannot be, the field and a sentence."""
        kind = request.kind
        metadata = dict(request.inputs.get("metadata") or {})
        problems: list[tuple[str, str]] = []
        if not metadata.get("name"):
            said = "generateName is not supported" if metadata.get("generateName") else "there is none"
            problems.append(
                (
                    "metadata.name",
                    f"{kind.name} needs an explicit metadata.name ({said}): the stand-in plugin names nothing",
                )
            )
        address = self._cluster.address(kind)
        if address.namespaced:
            metadata.setdefault("namespace", self._settings.namespace)
        elif metadata.pop("namespace", None):
            problems.append(("metadata.namespace", f"{kind.name} belongs to no namespace"))
        wanted = readiness.annotation({"metadata": metadata}, readiness.WAIT_FOR)
        if wanted:
            readiness.wait_for(wanted)
        completed = {**request.inputs, "apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata}
        completed.pop("status", None)
        return completed, problems

    def diff(self, request: Request, old: Document) -> list[FieldChange]:
        """Return what changes between the inputs of last time and now."""
        immutable = immutable_paths(
            request.kind,
            config_maps_mutable=self._settings.config_maps_mutable,
            secrets_mutable=self._settings.secrets_mutable,
        )
        return changes(old, request.inputs, immutable)

    def create(self, request: Request, *, preview: bool) -> Document:
        """Create the object and return its state. Raises `UnsupportedError`, `ClusterError`, `NotReadyError`."""
        kind, manager = request.kind, manager_of(request.urn)
        if preview and has_unknown(request.inputs):
            return self._state(request, manager, None)
        live = self._cluster.get(kind, request.namespace, request.name)
        # Our own manager on it: a run that was killed after creating it and before writing that down.
        if live is not None and not kind.patches and not _manages(live, manager):
            raise ClusterError(
                409,
                f"{kind.name} {object_id(request.inputs)} already exists and was not created by this resource "
                f"(managers: {', '.join(_managers(live)) or 'none'}); import it, or delete it first",
                "AlreadyExists",
            )
        return self._apply(request, manager, preview=preview)

    def update(self, request: Request, state: Document, *, preview: bool) -> Document:
        """Change the object in place and return its state."""
        manager = str(state.get(MANAGER_KEY) or manager_of(request.urn))
        if preview and has_unknown(request.inputs):
            return self._state(request, manager, None)
        return self._apply(request, manager, preview=preview)

    def _apply(self, request: Request, manager: str, *, preview: bool) -> Document:
        force = self._settings.force or readiness.annotation(request.inputs, _FORCE) == "true"
        document = without_nulls(request.inputs)
        try:
            live = self._cluster.apply(request.kind, document, manager, force=force, dry_run=preview)
        except ClusterError as refused:
            # Its namespace may be created earlier in the same run; only `up` can tell.
            if preview and refused.status == 404:
                return self._state(request, manager, None)
            raise
        if preview or request.kind.patches:
            return self._state(request, manager, live)
        live = self._waiter.ready(request.kind, live, request.limit_seconds(), request.progress)
        return self._state(request, manager, live)

    def _state(self, request: Request, manager: str, live: Document | None) -> Document:
        """Return what the engine keeps: the inputs and who owns them. A status would differ at every refresh."""
        uid = {UID_KEY: live["metadata"]["uid"]} if live and live["metadata"].get("uid") else {}
        return {**request.inputs, MANAGER_KEY: manager, **uid}

    def state_of(self, request: Request, live: Document, state: Document) -> Document:
        """Return the state of an object that exists but is not ready; `state` is what was known of it before."""
        return self._state(request, str(state.get(MANAGER_KEY) or manager_of(request.urn)), live)

    def read(self, request: Request, identifier: str, state: Document) -> Seen | None:
        """Return the object as it is in the cluster, or None when it is gone.

        Without inputs this is an import: the live object without what the server fills in.
        """
        namespace, _, name = identifier.rpartition("/")
        live = self._cluster.get(request.kind, namespace, name)
        if live is None:
            return None
        if not request.inputs:
            imported = replace(request, inputs=drift.declared(live))
            return Seen(imported.inputs, self._state(imported, manager_of(request.urn), live), readiness.state(live))
        manager = str(state.get(MANAGER_KEY) or manager_of(request.urn))
        seen = replace(request, inputs=self._drifted(request, manager, live))
        return Seen(seen.inputs, self._state(seen, manager, live), readiness.state(live))

    def _drifted(self, request: Request, manager: str, live: Document) -> Document:
        document = without_nulls(request.inputs)
        try:
            applied = self._cluster.apply(request.kind, document, manager, force=True, dry_run=True)
        except ClusterError as refused:
            if refused.status in (0, 401, 403):
                raise
            # What was applied once would be refused now (a changed quota, an immutable field): the live values show.
            applied = {}
        found: Document = drift.drifted(
            request.inputs, drift.comparable(live), drift.comparable(applied) if applied else {}
        )
        return found

    def delete(self, request: Request, state: Document) -> None:
        """Delete exactly the object that this resource made, and return when it is gone."""
        if request.kind.patches:
            raise UnsupportedError(
                "a patch is not taken back by the stand-in plugin; give the resource retain_on_delete"
            )
        live = self._cluster.get(request.kind, request.namespace, request.name)
        uid = str(state.get(UID_KEY, ""))
        # Another object under the same name is not ours to delete: in a replacement it is the new one.
        if live is None or (uid and live["metadata"]["uid"] != uid):
            return
        policy = readiness.annotation(request.inputs, _PROPAGATION).capitalize() or "Foreground"
        try:
            self._cluster.delete(
                request.kind, request.namespace, request.name, uid=live["metadata"]["uid"], propagation=policy
            )
        except ClusterError as refused:
            if refused.status != 404:
                raise
            return
        self._waiter.gone(request.kind, live, request.limit_seconds())


def _managers(live: Document) -> list[str]:
    return sorted({entry.get("manager", "") for entry in live["metadata"].get("managedFields") or []})


def _manages(live: Document, manager: str) -> bool:
    return manager in _managers(live)
