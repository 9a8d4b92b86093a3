"""Names, ports and folders of the target data centre in one place; it creates nothing and starts nothing."""

from __future__ import annotations

from typing import Final

from lab.addresses import API_SERVER_PORT, NODE_ADDRESS
from lab.paths import RUN, STATE, cache

HOME: Final = STATE / "target"
LOGS: Final = HOME / "logs"
POD_LOGS: Final = HOME / "pods"
AUDIT: Final = HOME / "audit"
AGENT: Final = HOME / "log-agent"
"""Where a log agent on the node notes how far it has read."""
SECURITY: Final = HOME / "security"
"""Certificates of the monitoring centre and of the nation, and what they received."""
PKI: Final = HOME / "pki"
CONFIG: Final = HOME / "config"
VOLUMES: Final = HOME / "volumes"
KUBECONFIG: Final = HOME / "kubeconfig"
S3_CREDENTIALS: Final = HOME / "s3.json"

PROCESSES: Final = RUN / "target"
KUBELET_ROOT: Final = RUN / "kubelet"
"""The kubelet's folder under a short name (a bind mount): it puts sockets below, and their paths are limited."""
CONTAINERD_STATE: Final = RUN / "containerd"
CONTAINERD_SOCKET: Final = RUN / "containerd.sock"
CONTAINERD_VERSION: Final = "1.6"

NODE: Final = "target1"
CLUSTER: Final = "dcshift-lab"
CLUSTER_DOMAIN: Final = "cluster.local"
API_SERVER: Final = f"https://{NODE_ADDRESS}:{API_SERVER_PORT}"
NODE_PODS: Final = "198.18.0.0/24"
"""The first /24 of the pods' network: what the controller manager gives to the first (here: only) node."""
CLUSTER_ADDRESS: Final = "198.19.0.1"
DNS_ADDRESS: Final = "198.19.0.10"
POD_BRIDGE: Final = "dcs-pods"
CGROUP: Final = "dcshift-target"
ETCD_PORT: Final = 12379
ETCD_PEER_PORT: Final = 12380
GUARD_TABLE: Final = "dcshift-target"

EDGE_NAMESPACE: Final = "dcshift-edge"
CERTIFICATES_NAMESPACE: Final = "cert-manager"
ISSUER: Final = "lab-ca"
"""The lab's authority as cert-manager knows it, and the Secret with its key; both in the edge's namespace."""
GATEWAY_CLASS: Final = "traefik"
STORAGE_CLASS: Final = "local-retain"
VOLUME_COUNT: Final = 16
VOLUME_SIZE: Final = "20Gi"


def containerd_root() -> str:
    """Return the folder of images and snapshots: in the cache, so that a fresh lab needs not import its images anew."""
    return str(cache() / f"containerd-{CONTAINERD_VERSION}")
