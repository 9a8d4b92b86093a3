"""Every address and name of the lab in one place, so no two parts of it can disagree; it does nothing."""

from __future__ import annotations

from typing import Final

DOMAIN: Final = "khanhhoa.example"

# Source data centre: TEST-NET-2 inside a network namespace of its own, because bridged frames in the root namespace
# would pass the FORWARD chain that Kubernetes fills.
SOURCE_NAMESPACE: Final = "dcshift-source"
SOURCE_BRIDGE: Final = "source0"
SOURCE_NETWORK: Final = "198.51.100.0/24"
SOURCE_GATEWAY: Final = "198.51.100.1"
SOURCE_HOSTS: Final = {
    "db1": "198.51.100.11",
    "app1": "198.51.100.12",
    "files1": "198.51.100.13",
    "edge1": "198.51.100.14",
}

# The wire between both: the upper half of the same TEST-NET-2. Not TEST-NET-1: a build machine may itself live in
# 192.0.2.0/24 with its gateway at .1, and a /30 there would cut it off.
UPLINK_ROOT_DEVICE: Final = "dcs-up"
UPLINK_SOURCE_DEVICE: Final = "uplink"
UPLINK_ROOT: Final = "198.51.100.129"
UPLINK_SOURCE: Final = "198.51.100.130"

# Target data centre: one node with a /32 on an empty bridge.
NODE_BRIDGE: Final = "dcs-node"
NODE_ADDRESS: Final = "192.0.2.10"
POD_NETWORK: Final = "198.18.0.0/16"
SERVICE_NETWORK: Final = "198.19.0.0/16"
# Beyond the centre: who receives its security log, as catalogue/khanh-hoa/province.yaml says. On the node's bridge.
SOC_ADDRESS: Final = "192.0.2.20"
NATION_ADDRESS: Final = "192.0.2.21"
LOG_PORT: Final = 6514
API_SERVER_PORT: Final = 6443
S3_PORT: Final = 8333
S3_ENDPOINT: Final = f"http://{NODE_ADDRESS}:{S3_PORT}"
S3_REGION: Final = "lab"

SITES: Final = {"portal": f"dichvucong.{DOMAIN}", "feedback": f"phananh.{DOMAIN}"}
OPERATOR: Final = "operator"
