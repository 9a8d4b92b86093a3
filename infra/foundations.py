"""What each stack lays for those above it, as one hash for each; both sides compute it from their own words.

A stack that is applied alone changes what others stand on, and nothing of theirs changes with it. Each stack therefore
exports what it laid and what it stood on when it was applied; where both differ, somebody must follow.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from typing import Any, Final

from catalogue import volumes
from catalogue.system import System
from infra import labels, naming, order
from infra.config import Settings
from infra.integrations import calling, neighbours

LAID: Final = "foundations"
STOOD_ON: Final = "stands_on"
_DATA: Final = "data"
_PLATFORM: Final = "platform"
_SECURITY: Final = "security"


def laid(settings: Settings) -> dict[str, str]:
    """Return, for each stack above this one, the hash of what it finds here."""
    systems = settings.catalogue.systems
    match settings.layer:
        case "platform":
            # Without receivers nothing is laid for their log.
            log = {_SECURITY: _of_log(settings)} if settings.catalogue.province.security_log else {}
            grounds = {order.ground(each.id): _hash(_centre(settings, each)) for each in systems}
            doors = {each.id: _hash(_door(settings, each)) for each in systems}
            return {_DATA: _hash(_rooms(settings)), **log, **grounds, **doors}
        case "ground":
            system = settings.system
            return {_DATA: _hash(_room(settings, system)), system.id: _hash(_ground(settings, system))}
        case "data":
            return {each.id: _hash(_store(settings, each)) for each in systems}
        case "security" | "system":
            return {}


def stood_on(settings: Settings) -> dict[str, str]:
    """Return, for each stack below this one, the hash of what this one takes for granted."""
    match settings.layer:
        case "platform":
            return {}
        case "ground":
            return {_PLATFORM: _hash(_centre(settings, settings.system))}
        case "data":
            rooms = {order.ground(each.id): _hash(_room(settings, each)) for each in settings.catalogue.systems}
            return {_PLATFORM: _hash(_rooms(settings)), **rooms}
        case "security":
            return {_PLATFORM: _of_log(settings)}
        case "system":
            system = settings.system
            return {
                _PLATFORM: _hash(_door(settings, system)),
                order.ground(system.id): _hash(_ground(settings, system)),
                _DATA: _hash(_store(settings, system)),
            }


def _centre(settings: Settings, system: System) -> dict[str, Any]:
    """Return what a ground lets in: a door that stands elsewhere is shut out, a neighbour whose own ground is older."""
    near = [system, *neighbours(settings, system)]
    ways = {each.id: [each.web.port, *calling(each)] for each in near}
    # Without neighbours nothing stands between grounds: for such a system nothing has changed.
    return {"edge": settings.edge_namespace, **({"neighbours": ways} if len(near) > 1 else {})}


def _door(settings: Settings, system: System) -> dict[str, Any]:
    """Return by which door a system is reached, and what the rules ask of it there."""
    province = settings.catalogue.province
    return {
        "edge": [settings.edge_namespace, naming.edge(system.exposure)],
        "limited": province.target.rate_limit is not None,
        "domain": province.domain,
        "registry": settings.registry,
    }


def _ground(settings: Settings, system: System) -> dict[str, Any]:
    province = settings.catalogue.province
    return {
        "app": [naming.app_namespace(system.id), labels.of_namespace(province, system, "app")],
        "data": [naming.data_namespace(system.id), labels.of_namespace(province, system, "data")],
        "edge": settings.edge_namespace,
        "limited": province.target.rate_limit is not None,
        # The way past a pool is closed.
        **_pool(system),
    }


def _rooms(settings: Settings) -> dict[str, Any]:
    """Return what the rules ask of every database."""
    return {"operator": settings.operator_namespace, "registry": settings.registry}


def _room(settings: Settings, system: System) -> dict[str, Any]:
    """Return where a database lies: who serves it, and through which door, is no business of its stack."""
    labelled = labels.of_namespace(settings.catalogue.province, system, "data")
    return {
        "namespace": [naming.data_namespace(system.id), labelled],
        "operator": settings.operator_namespace,
        **_room_of_files(settings, system),
    }


def _of_log(settings: Settings) -> str:
    """Return the hash of where the security log's programs lie, what they may read, and whom they may reach."""
    log = settings.catalogue.province.security_log
    ends = [(each.address, each.port) for each in (log.soc, log.national) if each] if log else []
    found = {"namespaces": [naming.LOG_AGENTS, naming.SECURITY_LOG], "receivers": ends}
    return _hash(found | {"folders": asdict(settings.node_folders)})


def _store(settings: Settings, system: System) -> dict[str, Any]:
    return {
        "host": naming.database_host(system.id),
        **_pool(system),
        **_files(system),
        "name": system.id,
        "owner": [system.id, naming.owner_secret(system.id)],
        "migration": [naming.MIGRATION_ROLE, naming.migration_secret(system.id)],
        "authority": naming.ca_secret(system.id),
        "major": system.database.major,
        "locale": system.database.locale,
    }


def _pool(system: System) -> dict[str, str]:
    """Return the pool where there is one: for a system without it nothing has changed, and nobody must follow."""
    return {"pooler": naming.pooler(system.id)} if system.database.pooler else {}


def _room_of_files(settings: Settings, system: System) -> dict[str, Any]:
    """Return where files lie beside pods, where there are any: for a system without volumes nothing has changed."""
    if not volumes.of(system):
        return {}
    labelled = labels.of_namespace(settings.catalogue.province, system, "app")
    return {"files": [naming.app_namespace(system.id), labelled]}


def _files(system: System) -> dict[str, dict[str, str]]:
    """Return the claims that pods name, where there are any."""
    claims = {each.name: naming.claim(system.id, each.name) for each in volumes.of(system)}
    return {"files": claims} if claims else {}


def _hash(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
