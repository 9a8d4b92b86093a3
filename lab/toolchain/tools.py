"""The tools that are built from Go modules, as data: what, which version, how asked for it, how long it takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lab.paths import CHECKOUT

KUBERNETES: Final = "v1.34.10"
PULUMI: Final = "v3.259.0"
KUBE_STATE_METRICS: Final = "v2.18.0"


@dataclass(frozen=True, slots=True)
class Program:
    """One program of a tool: its package, and how its version is asked for on PATH and after a build.

    `link_of` names the program it is a link to, when several are one binary. An empty `ask`: a program of this
    name is never taken from PATH.
    """

    name: str
    package: str = "."
    ask: tuple[str, ...] = ()
    says: str = ""
    link_of: str = ""


@dataclass(frozen=True, slots=True)
class Patch:
    """One file of a dependency that is replaced by one of the tool's own patches/ at build time, to compile less."""

    module: str
    path: str
    file: str


@dataclass(frozen=True, slots=True)
class DataFile:
    """One file of a dependency that the tool needs beside its programs; it is executable."""

    module: str
    path: str


@dataclass(frozen=True, slots=True)
class Tool:
    """One Go module under tools/; `build_seconds` is what it took on two cores with empty caches."""

    name: str
    version: str
    programs: tuple[Program, ...]
    build_seconds: int
    tags: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    patches: tuple[Patch, ...] = ()
    data: tuple[DataFile, ...] = ()

    @property
    def folder(self) -> Path:
        """Return where its go.mod lies."""
        return CHECKOUT / "tools" / self.name


def _kube() -> Tool:
    servers = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
    base = "k8s.io/component-base/version."
    major, minor, _ = KUBERNETES.lstrip("v").split(".")
    return Tool(
        "kube",
        KUBERNETES,
        (
            Program("kube"),
            *(Program(name, ask=("--version",), says=f"Kubernetes {KUBERNETES}", link_of="kube") for name in servers),
            Program("kubectl", ask=("version", "--client"), says=f"Client Version: {KUBERNETES}", link_of="kube"),
        ),
        build_seconds=480,
        variables=((base + "gitVersion", KUBERNETES), (base + "gitMajor", major), (base + "gitMinor", minor)),
    )


TOOLS: Final = (
    Tool(
        "pulumi",
        PULUMI,
        (Program("pulumi", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi", ("version",), PULUMI),),
        build_seconds=380,
        tags="osusergo,grpcnotrace",
        data=(DataFile("github.com/pulumi/pulumi/sdk/v3", "python/cmd/pulumi-language-python-exec"),),
        variables=(("github.com/pulumi/pulumi/sdk/v3/go/common/version.Version", PULUMI),),
    ),
    Tool(
        "pulumi-language-python",
        "v3.76.0",
        (Program("pulumi-language-python", "github.com/pulumi/pulumi/sdk/v3/python/cmd/pulumi-language-python"),),
        build_seconds=60,
    ),
    _kube(),
    Tool(
        "kube-state-metrics",
        KUBE_STATE_METRICS,
        (Program("kube-state-metrics", "k8s.io/kube-state-metrics/v2", ("version",), KUBE_STATE_METRICS),),
        # After kube, which compiles most of it, in the same versions.
        build_seconds=35,
        variables=(("github.com/prometheus/common/version.Version", KUBE_STATE_METRICS),),
    ),
    Tool("etcd", "v3.6.14", (Program("etcd", ask=("--version",), says="etcd Version: 3.6.14"),), build_seconds=45),
    Tool(
        "cnpg-manager",
        "v1.30.0",
        (Program("cnpg-manager", "github.com/cloudnative-pg/cloudnative-pg/cmd/manager"),),
        build_seconds=160,
    ),
    Tool(
        "cert-manager",
        "v1.21.2",
        (Program("cert-manager", ask=("-version",), says="dcshift's cert-manager v1.21.2"),),
        # After cnpg-manager, which compiles four fifths of it, in the same versions; alone it takes two minutes.
        build_seconds=25,
        variables=(("github.com/cert-manager/cert-manager/pkg/util.AppVersion", "v1.21.2"),),
    ),
    Tool("coredns", "v1.14.7", (Program("coredns", ask=("-version",), says="CoreDNS-1.14.7"),), build_seconds=95),
    Tool(
        "kube-router",
        "v2.10.0",
        (Program("kube-router", "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router"),),
        build_seconds=220,
    ),
    Tool(
        "traefik",
        "v3.6.12",
        (Program("traefik", "github.com/traefik/traefik/v3/cmd/traefik", ("version",), "3.6.12"),),
        build_seconds=280,
        patches=(
            Patch("github.com/go-acme/lego/v4", "providers/dns/zz_gen_dns_providers.go", "dns_providers.go.txt"),
            Patch("github.com/traefik/traefik/v3", "pkg/provider/ecs/ecs.go", "ecs.go.txt"),
            Patch("github.com/traefik/traefik/v3", "pkg/provider/ecs/config.go", "empty_ecs.go.txt"),
            Patch("github.com/traefik/traefik/v3", "pkg/provider/ecs/label.go", "empty_ecs.go.txt"),
        ),
        variables=(("github.com/traefik/traefik/v3/pkg/version.Version", "3.6.12"),),
    ),
)
