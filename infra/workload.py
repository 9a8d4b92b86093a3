"""What every container of a system has in common: its image, environment and locks; pure, secrets only by reference."""

from __future__ import annotations

from typing import Any, Final

from catalogue import volumes
from catalogue.system import Files, System
from infra import integrations, naming, unprivileged
from infra.answers import Answer
from infra.config import Settings
from infra.sizes import Size

Document = dict[str, Any]
_WAIT_FOR_DATABASE: Final = """
import os, socket, sys, time
deadline = time.monotonic() + 60
while True:
    try:
        socket.create_connection((os.environ["PGHOST"], int(os.environ["PGPORT"])), 2).close()
        break
    except OSError as error:
        if time.monotonic() > deadline:
            sys.exit(f"the database did not accept a connection within 60 s: {error}")
        time.sleep(0.2)
"""
_TMP: Final = {"name": "tmp", "emptyDir": {"sizeLimit": "512Mi"}}
_PODS: Final = (
    "Deployment httt-*-app/*-web",
    "StatefulSet httt-*-app/*",
    "CronJob httt-*-app/*",
    "Job httt-*-app/*-migrate-*",
)
ANSWERS: Final = (
    Answer(
        {"checkov": ("CKV_K8S_35",)},
        _PODS,
        "The applications read their logins from the environment and know no files. The values are references to "
        "Secrets; nobody who may only look at pods reads them.",
    ),
    Answer(
        {"kube-score": ("container-image-pull-policy",)},
        _PODS,
        "The image is named by its digest, which can hold nothing else tomorrow. `Always` would make every start "
        "of a pod depend on the registry, also in the night when it is away.",
    ),
    Answer(
        {"kube-score": ("container-ephemeral-storage-request-and-limit",)},
        _PODS,
        "The limit is the namespace's LimitRange's, for every container alike. A request would keep pods from "
        "nodes that do not count their disk (decision 0036).",
    ),
)


def image(settings: Settings) -> str:
    """Return the image of every container: by digest where the stack has one, else by the release's tag."""
    named = f"{settings.registry}/{settings.system.web.image}"
    return f"{named}@{settings.image}" if settings.image else f"{named}:{settings.deployed_release}"


def environment(settings: Settings, extra: dict[str, str]) -> list[Document]:
    """Return a container's environment: values as they are, secrets as references."""
    system, target = settings.system, settings.catalogue.province.target
    plain = {
        "SIDE": "target",
        "ALLOWED_HOSTS": ",".join(_hosts(settings)),
        "PORT": str(system.web.port),
        "PGHOST": naming.pooler_host(system.id) if system.database.pooler else naming.database_host(system.id),
        "PGPORT": "5432",
        "PGDATABASE": system.id,
        "PGSSLMODE": "require",
        **{f"S3_BUCKET{suffix}": bucket(settings, files.name) for suffix, files in _sets(system)},
        "S3_ENDPOINT": target.object_store,
        "S3_REGION": target.region,
        **integrations.variables(settings, system),
        **extra,
    }
    owner = naming.owner_secret(system.id)
    secrets = {
        "PGUSER": (owner, "username"),
        "PGPASSWORD": (owner, "password"),
        "SECRET_KEY": (naming.web_secret(system.id), "secret_key"),
    }
    for suffix, files in _sets(system):
        keys = naming.bucket_secret(system.id, files.name)
        secrets |= {f"S3_ACCESS_KEY{suffix}": (keys, "access_key"), f"S3_SECRET_KEY{suffix}": (keys, "secret_key")}
    return [{"name": name, "value": value} for name, value in plain.items()] + [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
        for name, (secret, key) in secrets.items()
    ]


def _sets(system: System) -> list[tuple[str, Files]]:
    """Return each bucket with the ending of its variables: the first has none, and every one has its name's."""
    buckets = volumes.buckets(system)
    named = [(f"_{files.name.upper().replace('-', '_')}", files) for files in buckets]
    return [*(("", files) for files in buckets[:1]), *(named if len(named) > 1 else [])]


def bucket(settings: Settings, name: str) -> str:
    province = settings.catalogue.province
    return naming.bucket(province.id, province.environment, settings.system.id, name)


def public_host(settings: Settings) -> str:
    return f"{settings.system.web.host}.{settings.catalogue.province.domain}"


def _hosts(settings: Settings) -> list[str]:
    """Return the names that the web process answers to: its public one, and its own where neighbours call it."""
    near = [integrations.called(settings.system)] if integrations.neighbours(settings, settings.system) else []
    return [public_host(settings), *near]


def command(system: System, words: list[str]) -> list[str]:
    """Return a catalogue command such as `[manage, migrate]` as the image has it."""
    return [f"/opt/{system.id}/bin/{words[0]}", *words[1:]]


def container(settings: Settings, name: str, words: list[str], size: Size, extra: dict[str, str]) -> Document:
    """Return a container that may write to /tmp and nowhere else."""
    return {
        "name": name,
        "image": image(settings),
        "imagePullPolicy": "IfNotPresent",
        "command": command(settings.system, words),
        "env": environment(settings, extra),
        "resources": size.resources(),
        "securityContext": unprivileged.security_context(),
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108  the pod's own
    }


def past_pool(settings: Settings) -> dict[str, str]:
    """Return what leads a container past a pool to the database itself."""
    return {"PGHOST": naming.database_host(settings.system.id)}


def wait_for_database(settings: Settings, size: Size, extra: dict[str, str]) -> Document:
    """Return an init container for pods that run once and are not tried again.

    The enforcer of network policies learns a new pod's address a moment after its start and refuses it until then; a
    web process tries again, a job would fail.
    """
    waiting = container(settings, "wait-for-database", ["manage"], size, extra)
    return waiting | {"command": [f"/opt/{settings.system.id}/venv/bin/python3", "-c", _WAIT_FOR_DATABASE]}


def pod(account: str, containers: list[Document], files: list[Document] | None = None, **more: Any) -> Document:
    """Return the spec of an unprivileged pod, with the volumes of /tmp and `files` unless `more` names others."""
    found = unprivileged.pod(account, containers, **{"volumes": [_TMP, *(files or [])], **more})
    if files:
        # Only a volume whose top folder is another group's is walked and given to ours: not the whole tree each time.
        found["securityContext"]["fsGroupChangePolicy"] = "OnRootMismatch"
    return found
