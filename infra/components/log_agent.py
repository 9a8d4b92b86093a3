"""On every node a program that reads the API server's audit log and the systems' containers' logs and sends them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_kubernetes as k8s

from infra import naming, rsyslog, sizes
from infra.answers import Answer
from infra.components import log_programs
from infra.components.network_policies import LOG_PORT
from infra.values import NodeFolders

ANSWERS: Final = (
    Answer(
        {
            "checkov": ("CKV_K8S_23", "CKV_K8S_40"),
            "kube-score": ("container-security-context-user-group-id",),
            "trivy": ("KSV012", "KSV020", "KSV021", "KSV105", "KSV116"),
        },
        ("DaemonSet dcshift-log-agents/dcshift-log-agent",),
        "Root alone may read the audit log and the containers' logs of a node. The agent has no capability, no "
        "token and a read-only root, and runs in a namespace of its own, whose policies let it out to the relay "
        "and to DNS alone.",
    ),
    Answer(
        {"trivy": ("KSV023",)},
        ("DaemonSet dcshift-log-agents/dcshift-log-agent",),
        "What it reads lies in folders of its node: two of them read-only, and one, its notes, which it writes. No "
        "other namespace of ours lets a pod do so, and who may write there is one identity (docs/security-log.md).",
    ),
    Answer(
        {"kube-score": ("container-ephemeral-storage-request-and-limit",)},
        ("DaemonSet dcshift-log-agents/dcshift-log-agent",),
        "The limit is the namespace's LimitRange's, and nothing is requested (decision 0036). A folder of its node "
        "it fills beside that: how far it has read of each file, and the last lines that it sent.",
    ),
)


@dataclass(frozen=True, slots=True)
class LogAgentArgs:
    """What runs, and where a node keeps its logs."""

    image: str
    """The image of rsyslog."""
    folders: NodeFolders
    """The node's folders of audit log, containers' logs, and the agent's own notes."""


class LogAgent(pulumi.ComponentResource):
    """The agents of the security log, one on each node.

    Two rules are broken here and nowhere else, so this is no namespace of a system. `no-host-volumes`: what it reads
    lies in folders of its node and nowhere else. `run-as-non-root`: audit log and containers' logs can be read by root
    alone. It has no capability, no token, a read-only root, and writes one folder, its notes.
    """

    name: pulumi.Output[str]

    def __init__(self, name: str, args: LogAgentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:security:LogAgent", name, None, opts)
        relay = f"{naming.LOG_RELAY}.{naming.SECURITY_LOG}.svc.cluster.local"
        files = log_programs.files(rsyslog.agent(relay, LOG_PORT))
        content, before = log_programs.declare(naming.LOG_AGENT, naming.LOG_AGENTS, files, self)
        labels, here = log_programs.labels_of(naming.LOG_AGENT), rsyslog.Folders()
        mounts: list[dict[str, Any]] = [
            {"name": "audit", "mountPath": here.audit, "readOnly": True},
            {"name": "pods", "mountPath": here.pods, "readOnly": True},
            {"name": "work", "mountPath": here.work},
        ]
        container = log_programs.container(naming.LOG_AGENT, args.image, ["relay"], sizes.LOG_AGENT, mounts)
        container["env"] = [{"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]
        agents = k8s.apps.v1.DaemonSet(
            naming.logical("security", "daemonset", naming.LOG_AGENT),
            metadata={"name": naming.LOG_AGENT, "namespace": naming.LOG_AGENTS, "labels": labels},
            spec={
                "selector": {"matchLabels": {"app.kubernetes.io/name": naming.LOG_AGENT}},
                "template": {
                    "metadata": {"labels": labels, "annotations": {"dcshift.gov.vn/config": content}},
                    "spec": _pod(container, args.folders),
                },
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=before),
        )
        self.name = agents.metadata["name"]
        self.register_outputs({"name": self.name})


def _pod(container: dict[str, Any], folders: NodeFolders) -> dict[str, Any]:
    paths = {"audit": folders.audit, "pods": folders.pods, "work": folders.agent}
    return {
        "serviceAccountName": naming.LOG_AGENT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {"runAsUser": 0, "runAsGroup": 0, "seccompProfile": {"type": "RuntimeDefault"}},
        # A node that is kept free of everything else has a log, too: the API server's own above all.
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [
            *log_programs.volumes(naming.LOG_AGENT),
            *({"name": name, "hostPath": {"path": path, "type": "DirectoryOrCreate"}} for name, path in paths.items()),
        ],
    }
