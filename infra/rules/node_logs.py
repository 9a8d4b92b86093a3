"""What pods may be where pod security lets them mount folders of their node; it asks no other program.

Pod security knows host folders as all or nothing. Here they are the declared three, two of them read-only, and every
rule of pods that the log agent does not need to break is asked of it, too.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

from infra import naming
from infra.rules import admission
from infra.rules.facts import Facts
from infra.rules.pods import PODS
from infra.rules.rule import Rule
from infra.rules.subjects import WORKLOADS
from infra.values import NodeFolders

Document = dict[str, Any]
NAME: Final = naming.LOG_AGENTS
# Audit log and containers' logs are root's alone to read, and they lie on the node: docs/decisions/0018.
_BROKEN: Final = ("run-as-non-root", "no-host-volumes", "image-by-digest", "pods-say-whose")
_KINDS_OF_VOLUMES: Final = ("name", "hostPath", "emptyDir", "configMap", "secret", "projected", "downwardAPI")


def rules(folders: NodeFolders) -> list[Rule]:
    """Return what is asked of every pod there, word for word."""
    read, known = [folders.audit, folders.pods], [folders.audit, folders.pods, folders.agent]
    own: tuple[Rule, ...] = (
        Rule(
            "node-folders-declared",
            "Of its node a log agent mounts the declared folders and no other.",
            "pod-security",
            WORKLOADS,
            f"variables.volumes.all(v, v.all(k, k in {json.dumps(_KINDS_OF_VOLUMES)}) "
            f"&& (!has(v.hostPath) || v.hostPath.path in {json.dumps(known)}))",
        ),
        Rule(
            "node-logs-read-only",
            "A log agent writes nothing on its node but its own notes.",
            "pod-security",
            WORKLOADS,
            "variables.containers.all(c, c.?volumeMounts.orValue([]).all(m, m.?readOnly.orValue(false) "
            f"|| !variables.volumes.exists(v, v.name == m.name && has(v.hostPath) "
            f"&& v.hostPath.path in {json.dumps(read)})))",
        ),
        Rule(
            "node-walls-stand",
            "A log agent lowers no wall of its node: AppArmor, SELinux, /proc, kernel settings, devices, rank.",
            "pod-security",
            WORKLOADS,
            f"{_walls('variables.pod')} && variables.containers.all(c, {_walls('c')} "
            "&& c.?securityContext.procMount.orValue('Default') == 'Default') "
            "&& variables.pod.?securityContext.sysctls.orValue([]).size() == 0 "
            "&& !variables.pod.?hostUsers.hasValue() && variables.pod.?resourceClaims.orValue([]).size() == 0 "
            "&& !variables.pod.?priorityClassName.orValue('').startsWith('system-')",
        ),
    )
    return [*(rule for rule in PODS if rule.id not in _BROKEN), *own]


def _walls(of: str) -> str:
    return (
        f"!{of}.?securityContext.seLinuxOptions.hasValue() "
        f"&& {of}.?securityContext.appArmorProfile.type.orValue('RuntimeDefault') == 'RuntimeDefault'"
    )


def policy(facts: Facts, folders: NodeFolders) -> Document:
    """Return the ValidatingAdmissionPolicy of that namespace."""
    return admission.policy(replace(WORKLOADS, id=NAME.removeprefix("dcshift-")), rules(folders), facts)


def binding() -> Document:
    """Return its binding: it refuses, in that namespace and nowhere else."""
    chosen = {"matchLabels": {"kubernetes.io/metadata.name": naming.LOG_AGENTS}}
    return admission.bound(NAME, {"matchResources": {"namespaceSelector": chosen}})
