"""The target's one node: containerd, kubelet, kube-proxy and the pods' network; it never changes a file of /etc.

Settings that a machine without cgroup v2 and with few rights needs are commented where they stand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import yaml

from lab.addresses import NODE_ADDRESS, POD_NETWORK
from lab.command import run
from lab.target import layout
from lab.target.layout import CONFIG, CONTAINERD_SOCKET, CONTAINERD_STATE, HOME, KUBELET_ROOT, NODE, PKI
from lab.target.processes import Daemon, start, stop, wait_until
from lab.toolchain import tool_path

CGROUPS: Final = Path("/sys/fs/cgroup")
PAUSE_IMAGE: Final = "dcshift.local/pause:1"
_CTR: Final = ("ctr", "-a", str(CONTAINERD_SOCKET), "-n", "k8s.io")
_RUNTIME: Final = 'plugins."io.containerd.grpc.v1.cri"'

_CONTAINERD: Final = f"""
version = 2
root = "{{root}}"
state = "{CONTAINERD_STATE}"
oom_score = 0
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{CONTAINERD_SOCKET}"
[{_RUNTIME}]
  sandbox_image = "{PAUSE_IMAGE}"
  # CAP_SYS_RESOURCE may be absent, and kernels without AppArmor or huge pages are common in build machines.
  restrict_oom_score_adj = true
  disable_apparmor = true
  tolerate_missing_hugetlb_controller = true
  netns_mounts_under_state_dir = true
  [{_RUNTIME}.containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [{_RUNTIME}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [{_RUNTIME}.containerd.runtimes.runc.options]
        SystemdCgroup = false
  [{_RUNTIME}.cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{CONFIG / "cni"}"
"""


def start_containerd() -> None:
    """Start containerd with folders and a socket of its own; return once it answers."""
    (CONFIG / "cni").mkdir(parents=True, exist_ok=True)
    (CONFIG / "containerd.toml").write_text(_CONTAINERD.format(root=layout.containerd_root()))
    _write_json(CONFIG / "cni" / "10-dcshift.conflist", pod_network())
    containerd = Daemon("containerd", ("containerd", "--config", str(CONFIG / "containerd.toml"), "--log-level=warn"))
    start(containerd)
    wait_until("containerd's readiness", _containerd_ready, 120)
    left = run([*_CTR, "containers", "ls", "-q"]).stdout.split()
    if left:  # of a run that was killed; the runtime has loaded them by now, so it begins anew without them
        run([*_CTR, "containers", "rm", *left], check=False)
        stop("containerd")
        start(containerd)
        wait_until("containerd's readiness", _containerd_ready, 120)


def start_kubelet() -> None:
    """Start the kubelet in its own cgroup tree."""
    kubelet_home = HOME / "kubelet"
    for folder in (kubelet_home, KUBELET_ROOT):
        folder.mkdir(parents=True, exist_ok=True)
    run(["mount", "--bind", kubelet_home, KUBELET_ROOT])
    make_cgroups()
    (CONFIG / "resolv.conf").write_text("nameserver 127.0.0.1\n")  # pods use the cluster's DNS; nothing lies behind it
    (CONFIG / "kubelet.yaml").write_text(yaml.safe_dump(kubelet_configuration()))
    argv = (
        str(tool_path("kubelet")),
        f"--config={CONFIG / 'kubelet.yaml'}",
        f"--kubeconfig={PKI / 'kubelet.kubeconfig'}",
        f"--root-dir={KUBELET_ROOT}",
        f"--hostname-override={NODE}",
        f"--node-ip={NODE_ADDRESS}",
    )
    start(Daemon("kubelet", argv))


def start_proxy() -> None:
    """Start kube-proxy in nftables mode."""
    configuration = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": POD_NETWORK,
        "detectLocalMode": "ClusterCIDR",
        "hostnameOverride": NODE,
        "bindAddress": NODE_ADDRESS,
        "metricsBindAddress": "127.0.0.1:10249",
        "healthzBindAddress": "127.0.0.1:10256",
        "nodePortAddresses": [f"{NODE_ADDRESS}/32"],
        "clientConnection": {"kubeconfig": str(PKI / "proxy.kubeconfig")},
        "conntrack": {"maxPerCore": 0, "min": 0},  # the machine's own limits stay as they are
        "oomScoreAdj": 0,
    }
    (CONFIG / "proxy.yaml").write_text(yaml.safe_dump(configuration))
    start(Daemon("kube-proxy", (str(tool_path("kube-proxy")), f"--config={CONFIG / 'proxy.yaml'}")))


def kubelet_configuration() -> dict[str, object]:
    """Return the kubelet's configuration for a node on cgroup v1 that shares its machine."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "healthzBindAddress": "127.0.0.1",
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(PKI / "ca.pem")}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(PKI / "kubelet-server.pem"),
        "tlsPrivateKeyFile": str(PKI / "kubelet-server.key"),
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "clusterDNS": [layout.DNS_ADDRESS],
        "clusterDomain": layout.CLUSTER_DOMAIN,
        "resolvConf": str(CONFIG / "resolv.conf"),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.CGROUP}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "maxOpenFiles": 20000,
        "maxPods": 60,
        # No registry stands behind this node: an image that was collected would be gone for good.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
        "registerNode": True,
        "podLogsDir": str(layout.POD_LOGS),
        "logging": {"verbosity": 1},
    }


def pod_network() -> dict[str, object]:
    """Return the CNI configuration: one bridge, addresses of the node's range, host ports by DNAT."""
    addresses = {
        "type": "host-local",
        "dataDir": str(HOME / "cni"),
        "ranges": [[{"subnet": layout.NODE_PODS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": layout.POD_BRIDGE,
        "isGateway": True,
        "ipMasq": False,  # what leaves the lab is refused, not hidden
        "hairpinMode": True,
        "ipam": addresses,
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    return {"cniVersion": "0.4.0", "name": layout.CLUSTER, "plugins": [bridge, ports]}


def make_cgroups() -> None:
    """Make the cgroup that holds every pod, in each hierarchy, so that `down` can find what is left of them."""
    for hierarchy in hierarchies():
        group = hierarchy / layout.CGROUP
        group.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):  # an empty cpuset admits no process
            if (group / name).exists() and not (group / name).read_text().strip():
                (group / name).write_text((hierarchy / name).read_text())


def hierarchies() -> list[Path]:
    """Return the mounted cgroup hierarchies: several on version 1, one on version 2."""
    mounts = [line.split(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    return [Path(left.split()[4]) for left, right in mounts if right.split()[0] in ("cgroup", "cgroup2")]


def _containerd_ready() -> bool:
    return run([*_CTR, "version"], check=False, timeout_seconds=60).returncode == 0


def _write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n")
