"""What the programs of the security log have in common: configuration, container, and how those with a volume stand."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import pulumi
import pulumi_kubernetes as k8s

from infra import naming, rsyslog, unprivileged
from infra.answers import Answer
from infra.components.network_policies import LOG_PORT
from infra.sizes import Size

Document = dict[str, Any]
_CONFIGURATION: Final = "rsyslog.conf"
_OWN: Final = {"app.kubernetes.io/managed-by": "pulumi", "app.kubernetes.io/part-of": "dcshift"}
_RELAYS: Final = (
    "StatefulSet dcshift-security/dcshift-log-relay",
    "StatefulSet dcshift-security/dcshift-log-national",
)
ANSWERS: Final = (
    Answer(
        {"kube-score": ("container-image-pull-policy",)},
        (*_RELAYS, "DaemonSet dcshift-log-agents/dcshift-log-agent"),
        "The image is named by its digest, which can hold nothing else tomorrow, and the log goes on when the "
        "registry is away.",
    ),
    Answer(
        {"kube-score": ("container-ephemeral-storage-request-and-limit",)},
        _RELAYS,
        "The limit is the namespace's LimitRange's; queues lie on a volume. Nothing is requested: nodes that do "
        "not count their disk would take no pod (decision 0036).",
    ),
    Answer(
        {"kube-score": ("pod-probes-identical",)},
        ("StatefulSet dcshift-security/*", "DaemonSet dcshift-log-agents/dcshift-log-agent"),
        "Both read whether rsyslog's loop still turns; there is nothing else to ask that would not be a line in "
        "the log. Liveness gives up after 5 times 30 s, readiness after 3 times 20 s.",
    ),
    Answer(
        {"kube-score": ("statefulset-has-servicename",)},
        ("StatefulSet dcshift-security/*",),
        "It is one pod, whom nobody calls by a name of its own: agents ask the Service, which is there and is not "
        "headless.",
    ),
    Answer(
        {"trivy": ("AVD-KSV-01010",)},
        ("ConfigMap dcshift-security/*", "ConfigMap dcshift-log-agents/dcshift-log-agent"),
        "The words that it takes for secrets are paths of certificates and keys, and names of kinds such as "
        "`secrets`. The keys lie in Secrets; a test looks for keys in all that is declared.",
    ),
)


def labels_of(program: str) -> dict[str, str]:
    """Return the labels of a program's objects; policies select by its name."""
    return {**_OWN, "app.kubernetes.io/name": program, "app.kubernetes.io/component": program}


def declare(
    program: str, namespace: str, files: dict[str, str], parent: pulumi.Resource
) -> tuple[str, list[pulumi.Resource]]:
    """Declare a program's account and its files; return their hash, which restarts the pods, and both resources."""
    opts, metadata = (
        pulumi.ResourceOptions(parent=parent),
        {"name": program, "namespace": namespace, "labels": labels_of(program)},
    )
    account = k8s.core.v1.ServiceAccount(
        naming.logical("security", "account", program),
        metadata=metadata,
        automount_service_account_token=False,
        opts=opts,
    )
    held = k8s.core.v1.ConfigMap(
        naming.logical("security", "configmap", program), metadata=metadata, data=files, opts=opts
    )
    found = hashlib.sha256("\0".join(f"{name}\0{files[name]}" for name in sorted(files)).encode()).hexdigest()
    return found, [account, held]


def files(configuration: str, more: dict[str, str] | None = None) -> dict[str, str]:
    return {_CONFIGURATION: configuration, **(more or {})}


def container(program: str, image: str, outputs: list[str], size: Size, mounts: list[Document]) -> Document:
    """Return the container of a program that hands `outputs` on."""
    folders = rsyslog.Folders()
    configuration = f"{folders.tables}/{_CONFIGURATION}"
    return {
        "name": "rsyslog",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": [
            *("/bin/sh", "-c", rsyslog.starting(outputs), program),
            *("/usr/sbin/rsyslogd", "-n", "-iNONE", "-f", configuration),
        ],
        "resources": size.resources(),
        "securityContext": unprivileged.security_context(),
        "startupProbe": {**_probe(folders), "periodSeconds": 3, "failureThreshold": 20},
        "readinessProbe": {**_probe(folders), "periodSeconds": 20},
        "livenessProbe": {**_probe(folders), "periodSeconds": 30, "failureThreshold": 5},
        "volumeMounts": [
            {"name": "config", "mountPath": folders.tables, "readOnly": True},
            {"name": "tls", "mountPath": folders.tls, "readOnly": True},
            {"name": "run", "mountPath": folders.run},
            *mounts,
        ],
    }


def standing(
    program: str, pod: Document, storage: Document, declared: tuple[str, list[pulumi.Resource]], parent: pulumi.Resource
) -> pulumi.Output[str]:
    """Declare a program that is one pod with a volume, and the Service by which it is found; return its name.

    `declared` is what `declare` returned. The volume stays when the stack goes: in it may lie
    what nobody has received yet.
    """
    content, before = declared
    found = labels_of(program)
    selector = {"app.kubernetes.io/name": program}
    metadata = {"name": program, "namespace": naming.SECURITY_LOG, "labels": found}
    # It waits for no pod: the official plugin waits at the Service for the pods that would wait for it here.
    k8s.core.v1.Service(
        naming.logical("security", "service", program),
        metadata=metadata,
        spec={
            "type": "ClusterIP",
            "selector": selector,
            "ports": [{"name": "relp", "port": LOG_PORT, "targetPort": LOG_PORT, "protocol": "TCP"}],
        },
        opts=pulumi.ResourceOptions(parent=parent),
    )
    made = k8s.apps.v1.StatefulSet(
        naming.logical("security", "statefulset", program),
        metadata=metadata,
        spec={
            "replicas": 1,
            "serviceName": program,
            "selector": {"matchLabels": selector},
            # In order, a pod that cannot start would keep its own mended template from being tried.
            "podManagementPolicy": "Parallel",
            "template": {
                "metadata": {"labels": found, "annotations": {"dcshift.gov.vn/config": content}},
                "spec": pod,
            },
            "volumeClaimTemplates": [
                {"metadata": {"name": "work"}, "spec": {"accessModes": ["ReadWriteOnce"], **storage}}
            ],
        },
        opts=pulumi.ResourceOptions(parent=parent, depends_on=before),
    )
    name: pulumi.Output[str] = made.metadata["name"]
    return name


def volumes(program: str, tls: str = naming.LOG_TLS) -> list[Document]:
    """Return the volumes of every such container; `tls` is the Secret of its certificate among our own programs."""
    return [
        {"name": "config", "configMap": {"name": program}},
        secret("tls", tls),
        {"name": "run", "emptyDir": {"sizeLimit": "16Mi"}},
    ]


def secret(volume: str, name: str) -> Document:
    return {"name": volume, "secret": {"secretName": name, "defaultMode": 0o440}}


def _probe(folders: rsyslog.Folders) -> Document:
    # The program writes its figures every ten seconds; one that hangs does not. A connection would be noise in its log.
    return {"exec": {"command": ["/bin/sh", "-c", rsyslog.health(folders)]}, "timeoutSeconds": 5}
