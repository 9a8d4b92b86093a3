"""Pods by which somebody with the log team's token would get more of a node than its logs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

Pod = dict[str, Any]


def _volume(pod: Pod, name: str) -> Pod:
    (found,) = [each for each in pod["volumes"] if each["name"] == name]
    return dict(found)


def with_the_nodes_root(pod: Pod) -> None:
    pod["volumes"] = [*pod["volumes"], {"name": "node", "hostPath": {"path": "/"}}]


def with_a_folder_above(pod: Pod) -> None:
    above = _volume(pod, "audit")["hostPath"]["path"].rpartition("/")[0]
    pod["volumes"] = [*pod["volumes"], {"name": "above", "hostPath": {"path": above}}]


def through_a_link_in_its_notes(pod: Pod) -> None:
    link = _volume(pod, "work")["hostPath"]["path"] + "/link-to-the-nodes-root"
    pod["volumes"] = [*pod["volumes"], {"name": "out", "hostPath": {"path": link}}]


def with_a_driver(pod: Pod) -> None:
    pod["volumes"] = [*pod["volumes"], {"name": "driver", "csi": {"driver": "any.example"}}]


def writing_the_audit_log(pod: Pod) -> None:
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "audit"]
    del mount["readOnly"]


def writing_it_under_another_name(pod: Pod) -> None:
    pod["volumes"] = [*pod["volumes"], {**_volume(pod, "pods"), "name": "again"}]
    pod["containers"][0]["volumeMounts"] += [{"name": "again", "mountPath": "/again"}]


def writing_it_before_it_starts(pod: Pod) -> None:
    first = {key: value for key, value in pod["containers"][0].items() if not key.endswith("Probe")} | {"name": "first"}
    first["volumeMounts"] = [{"name": "audit", "mountPath": "/audit"}]
    pod["initContainers"] = [first]


def gaining_rights(pod: Pod) -> None:
    pod["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True


def with_capabilities(pod: Pod) -> None:
    pod["containers"][0]["securityContext"]["capabilities"] = {"drop": ["ALL"], "add": ["SYS_ADMIN"]}


def among_the_nodes_processes(pod: Pod) -> None:
    pod["hostPID"] = True


def with_a_token(pod: Pod) -> None:
    pod["automountServiceAccountToken"] = True


def of_another_registry(pod: Pod) -> None:
    pod["containers"][0]["image"] = f"registry.example/tool@sha256:{'b' * 64}"


def beyond_apparmor(pod: Pod) -> None:
    pod["containers"][0]["securityContext"]["appArmorProfile"] = {"type": "Unconfined"}


def beyond_selinux(pod: Pod) -> None:
    pod["securityContext"]["seLinuxOptions"] = {"type": "spc_t"}


def with_kernel_settings(pod: Pod) -> None:
    pod["securityContext"]["sysctls"] = [{"name": "kernel.shm_rmid_forced", "value": "1"}]


def before_everybody(pod: Pod) -> None:
    pod["priorityClassName"] = "system-node-critical"


SPOILT: Final[tuple[tuple[Callable[[Pod], None], str], ...]] = (
    (with_the_nodes_root, "node-folders-declared"),
    (with_a_folder_above, "node-folders-declared"),
    (through_a_link_in_its_notes, "node-folders-declared"),
    (with_a_driver, "node-folders-declared"),
    (writing_the_audit_log, "node-logs-read-only"),
    (writing_it_under_another_name, "node-logs-read-only"),
    (writing_it_before_it_starts, "node-logs-read-only"),
    (gaining_rights, "no-privilege-escalation"),
    (with_capabilities, "drop-all-capabilities"),
    (among_the_nodes_processes, "no-host-namespaces"),
    (with_a_token, "no-account-token"),
    (of_another_registry, "image-of-registry"),
    (beyond_apparmor, "node-walls-stand"),
    (beyond_selinux, "node-walls-stand"),
    (with_kernel_settings, "node-walls-stand"),
    (before_everybody, "node-walls-stand"),
)
"""What is done to the agent's pod, and the rule that must refuse it."""
