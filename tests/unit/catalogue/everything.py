"""A province and a system that write every field there is, as plain data to be spoilt by tests."""

from __future__ import annotations

import copy
import datetime
from pathlib import Path
from typing import Any, TypeAlias

import yaml

Document: TypeAlias = dict[str, Any]
Path_: TypeAlias = tuple[str | int, ...]
EXAMPLE = Path(__file__).parents[3] / "catalogue" / "khanh-hoa"
DAY = datetime.date(2027, 2, 6)


def province() -> Document:
    content: Document = yaml.safe_load((EXAMPLE / "province.yaml").read_text(encoding="utf-8"))
    content["job_hosts"] = ["203.0.113.7/32"]
    content["windows"] = [{"name": "night", "start": "22:00", "end": "04:00"}]
    content["national_endpoints"] = [
        {
            "id": "ndxp",
            "name": {"vi": "Nền tảng", "en": "Platform"},
            "host": "ndxp.example",
            "port": 443,
            "addresses": ["203.0.113.77"],
        }
    ]
    content["holidays"] = [{"name": "Tết", "date": DAY}]
    content["blackouts"] = [{"name": "election", "first": DAY, "last": DAY}]
    content["target"]["zones"] = {"internal": {"gateway_class": "traefik-internal", "gateway_address": "192.0.2.30"}}
    content["target"]["node_pools"] = ["internet", "portal"]
    content["target"]["shared_storage_class"] = "cephfs-retain"
    log = content["security_log"]
    log["buffer_hours"] = 72
    log["national"]["protocol"] = "syslog"
    return content


def system() -> Document:
    content: Document = yaml.safe_load((EXAMPLE / "portal.yaml").read_text(encoding="utf-8"))
    content["objectives"]["rpo"] = "15m"
    content["web"]["rate_limit"] = {"average": 50, "burst": 100}
    content["quota"] = {"cpu": 4, "memory": "8Gi", "storage": "50Gi"}
    content["files"][0]["kept_days"] = 90
    volume = {"name": "templates", "kind": "volume", "storage": "5Gi", "path": "/opt/portal/templates"}
    content["files"].append({**volume, "access": "many-pods"})
    content["source"]["files"]["templates"] = {"host": "app1", "path": "/srv/portal/templates"}
    content["jobs"][0]["max_overlap"] = 0
    content["workers"][0]["replicas"] = 2
    content["integrations"] = ["ndxp"]
    return content


def dumped(content: object) -> str:
    """Return YAML with one field a line, so that a line tells a field."""
    return yaml.dump(content, allow_unicode=True, sort_keys=False, default_flow_style=False, Dumper=_Unshared)


def write(folder: Path, *, province_file: object = None, portal_file: object = None) -> Path:
    """Write both documents, or what is given instead of one; return the folder."""
    folder.mkdir(exist_ok=True)
    for name, given, usual in (("province", province_file, province()), ("portal", portal_file, system())):
        content = usual if given is None else given
        (folder / f"{name}.yaml").write_text(dumped(content), encoding="utf-8")
    return folder


def paths(content: object, path: Path_ = ()) -> list[Path_]:
    """Return the way to every field and every item."""
    children: list[tuple[str | int, object]] = []
    if isinstance(content, dict):
        children = list(content.items())
    elif isinstance(content, list):
        children = list(enumerate(content))
    found = [path] if path else []
    for step, child in children:
        found += paths(child, (*path, step))
    return found


def at(content: Any, path: Path_) -> Any:
    for step in path:
        content = content[step]
    return content


def replaced(content: Document, path: Path_, value: object) -> Document:
    """Return the document with another value in one place."""
    other = copy.deepcopy(content)
    at(other, path[:-1])[path[-1]] = value
    return other


def without(content: Document, path: Path_) -> Document:
    """Return the document without one field."""
    other = copy.deepcopy(content)
    del at(other, path[:-1])[path[-1]]
    return other


class _Unshared(yaml.SafeDumper):
    """Writes an equal value again instead of pointing to it."""

    def ignore_aliases(self, data: object) -> bool:
        return True
