"""What each image of the lab is made of: programs we built, Debian packages, Python environments, our applications.

Nothing is fetched from an image registry, and no image runs as root.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lab import debian, pgbouncer, rsyslog
from lab.command import run
from lab.images.layers import TRIMMED, Entry, Layer, Tree, account_entries, file_entry
from lab.images.operand import POSTGRES_USER, postgres_root, postgres_version
from lab.images.store import Part, Recipe
from lab.monitoring import monitoring_root
from lab.paths import CHECKOUT, cache
from lab.rootfs import base, cached
from lab.source.environments import venv_layer
from lab.toolchain import TOOLS, tool_path

_FORMAT: Final = "2"  # raise it when layers must be made anew although what they are made of is the same
_APPLICATION_USER: Final = 10001
_PYTHON_PACKAGES: Final = ("python3", "python3-venv")
RELEASES: Final = {
    "portal:5.2.8": "bullseye",
    "portal:8.0.1": "trixie",
    "feedback:1.0.0": "bullseye",
    "feedback:2.6.1": "trixie",
}
_TOOLS: Final = {
    "coredns": "coredns",
    "traefik": "traefik",
    "cloudnative-pg": "cnpg-manager",
    "cert-manager": "cert-manager",
}
MONITORING: Final = {"prometheus": "prometheus", "alertmanager": "prometheus-alertmanager"}
"""Images of Debian's monitoring programs, and the package of each, which has its program's name."""
_PACKAGED: Final = {"rsyslog": "8", "pgbouncer": "1"}
"""Images of one program of Debian's, and the major version under which stacks ask for each."""
WITHOUT_TOOLS: Final = ("postgresql", *_PACKAGED, *MONITORING, *RELEASES)
"""Images that need nothing that is compiled here."""
INFRASTRUCTURE: Final = ("pause", "probe", "coredns", "traefik", "cloudnative-pg", "cert-manager", *MONITORING)


def recipe(name: str) -> Recipe:
    """Return the recipe of `pause`, `coredns`, …, `postgresql`, or `<system>:<release>`; builds what that needs."""
    if name in RELEASES:
        return _application(name)
    return _RECIPES[name]()


def image_name(name: str) -> str:
    """Return the full name under which the node knows an image."""
    if name == "postgresql":
        return f"dcshift.local/postgresql:{postgres_version()}"
    if name in _PACKAGED:
        return f"dcshift.local/{name}:{_PACKAGED[name]}"
    if ":" in name:
        return f"dcshift.local/{name}"
    if name in MONITORING:
        return f"dcshift.local/{name}:{debian.version(monitoring_root(), MONITORING[name])}"
    version = next((tool.version for tool in TOOLS if tool.name == _TOOLS.get(name)), "1")
    return f"dcshift.local/{name}:{version.removeprefix('v')}"


def _monitoring(name: str) -> Recipe:
    """Return Prometheus or Alertmanager: the program and its own files over plain Debian, whose C library it needs.

    What else its package depends on are scripts of a web interface that Debian does not ship.
    """
    root, package = monitoring_root(), MONITORING[name]
    shared = {"prometheus": "web", "alertmanager": "alertmanager"}[name]

    def make() -> Layer:
        files = Tree(root / "usr/share/prometheus" / shared, f"usr/share/prometheus/{shared}")
        return Layer(
            (files,),
            (
                *account_entries({"app": _APPLICATION_USER}),
                file_entry(f"usr/bin/{package}", root / "usr/bin" / package),
            ),
        )

    full = image_name(name)
    # Also under its major version alone, as stacks ask for it by default.
    repository, _, version = full.rpartition(":")
    return Recipe(
        (full, f"{repository}:{version.partition('.')[0]}"),
        (_debian_part("trixie"), Part(f"monitoring {_FORMAT} {name} {root.name}", make)),
        entrypoint=(f"/usr/bin/{package}",),
    )


def _pause() -> Recipe:
    # A sandbox only has to exist; nothing is ever sent to it but SIGKILL.
    command = ("/bin/busybox", "sleep", "2147483647")
    return Recipe(("dcshift.local/pause:1",), (_busybox_part(),), user="65535:65535", command=command)


def _probe() -> Recipe:
    return Recipe(("dcshift.local/probe:1",), (_busybox_part(),), command=("/bin/sh",))


def _program(name: str, paths: tuple[str, ...]) -> Recipe:
    binary = tool_path(_TOOLS[name])

    def make() -> Layer:
        entries = [*account_entries({"app": _APPLICATION_USER}), _certificates(), Entry("tmp/", mode=0o1777)]
        entries.append(file_entry(paths[0], binary))
        entries += [Entry(path, link=f"/{paths[0]}") for path in paths[1:]]
        return Layer(entries=tuple(entries))

    part = Part(f"program {_FORMAT} {paths} {_file_hash(binary)}", make)
    return Recipe((image_name(name),), (part,), entrypoint=(f"/{paths[0]}",))


def _certificates() -> Entry:
    # Programs that read the system's authorities start with none: nothing outside the lab is ever called.
    return Entry("etc/ssl/certs/", mode=0o755)


def _postgres() -> Recipe:
    root, below = postgres_root(), base("trixie", (), "minbase")
    binaries = "/usr/lib/postgresql/17/bin"
    version = postgres_version()
    # The JIT compiler is a third of the image and no use to short queries; PostgreSQL goes on without it.
    compiler = {path.name for path in root.glob("usr/lib/*/libLLVM*")}
    without = (*sorted(compiler), "llvmjit.so", "llvmjit_types.bc", "bitcode")

    def make() -> Layer:
        return Layer((Tree(root, below=below, trimmed=(*TRIMMED, "usr/share/i18n"), without=without),))

    return Recipe(
        (f"dcshift.local/postgresql:{version}", "dcshift.local/postgresql:17"),
        (_debian_part("trixie"), Part(f"postgres {_FORMAT} {root.name}", make)),
        user=f"{POSTGRES_USER}:{POSTGRES_USER}",
        environment={"PATH": f"{binaries}:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
    )


def _packaged(name: str, root: Path, entries: tuple[Entry, ...] = ()) -> Recipe:
    """Return the image of a Debian root with one more program; `entries` stand in their places for the root's own."""
    below, trimmed = base("trixie", (), "minbase"), (*TRIMMED, *(entry.path for entry in entries))
    tree = Tree(root, below=below, trimmed=trimmed)
    part = Part(f"{name} {_FORMAT} {root.name}", lambda: Layer((tree,), entries))
    return Recipe((image_name(name),), (_debian_part("trixie"), part))


def _pgbouncer() -> Recipe:
    # The databases' operator looks for the program there, and pgbouncer lets in as its administrator whoever has its
    # own name: Debian's runs as `postgres`. User and group are those that the operator gives the pod.
    link = Entry("usr/bin/pgbouncer", link=f"/{pgbouncer.PROGRAM}")
    return _packaged("pgbouncer", pgbouncer.root(), (link, *account_entries({"pgbouncer": 998})))


def _application(name: str) -> Recipe:
    system, _, release = name.partition(":")
    suite = RELEASES[name]
    environment = venv_layer(system, release, suite)
    python = base(suite, _PYTHON_PACKAGES, "python")
    below = base(suite, (), "minbase")
    source = CHECKOUT / "lab" / "apps" / system
    parts = (
        _debian_part(suite),
        Part(f"python {_FORMAT} {python.name}", lambda: Layer((Tree(python, below=below, trimmed=TRIMMED),))),
        Part(f"venv {_FORMAT} {environment.name}", lambda: Layer((Tree(environment),))),
        Part(f"app {_FORMAT} {system} {_tree_hash(source)}", lambda: _application_layer(system, source)),
    )
    return Recipe(
        (image_name(name),),
        parts,
        user=f"{_APPLICATION_USER}:{_APPLICATION_USER}",
        command=(f"/opt/{system}/bin/web",),
        environment={"PATH": f"/opt/{system}/bin:/opt/{system}/venv/bin:/usr/bin:/bin", "LANG": "C.UTF-8"},
        folder=f"/opt/{system}/app",
    )


def _application_layer(system: str, source: Path) -> Layer:
    requirements = tuple(path.name for path in source.glob("requirements-*"))
    code = Tree(source, f"opt/{system}/app", trimmed=("bin", *requirements), without=("__pycache__",))
    programs = Tree(source / "bin", f"opt/{system}/bin", without=("__pycache__",))
    accounts = {"app": _APPLICATION_USER}
    return Layer(trees=(code, programs), entries=account_entries(accounts))


def _debian_part(suite: str) -> Part:
    root = base(suite, (), "minbase")
    return Part(f"debian {_FORMAT} {root.name}", lambda: Layer((Tree(root, trimmed=TRIMMED, skeleton=True),)))


def _busybox_part() -> Part:
    binary = _busybox()

    def make() -> Layer:
        names = run([binary, "--list"]).stdout.split()
        links = [Entry(f"bin/{name}", link="/bin/busybox") for name in names if name != "busybox"]
        folders = [Entry("tmp/", mode=0o1777), *account_entries({"app": _APPLICATION_USER})]
        return Layer(entries=(file_entry("bin/busybox", binary), *links, *folders))

    return Part(f"busybox {_FORMAT} {_file_hash(binary)}", make)


def _busybox() -> Path:
    """Return Debian's statically linked busybox, unpacked from its package without installing it."""

    def build(folder: Path) -> None:
        run(["apt-get", "download", "-q", "busybox-static"], cwd=folder, timeout_seconds=300)
        package = next(folder.glob("busybox-static_*.deb"))
        run(["dpkg-deb", "--extract", package, folder])

    folder = cached(cache() / "busybox-static", build)
    return next(path for path in (folder / "bin/busybox", folder / "usr/bin/busybox") if path.exists())


@functools.cache
def _file_hash(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _tree_hash(root: Path) -> str:
    found = hashlib.sha256()
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(files):
            path = Path(folder) / name
            found.update(f"{path.relative_to(root)}\0{path.stat().st_mode:o}\0".encode())
            found.update(path.read_bytes())
    return found.hexdigest()


_RECIPES: Final[dict[str, Callable[[], Recipe]]] = {
    "pause": _pause,
    "probe": _probe,
    "coredns": lambda: _program("coredns", ("coredns",)),
    "traefik": lambda: _program("traefik", ("traefik",)),
    "cloudnative-pg": lambda: _program("cloudnative-pg", ("manager", "operator/manager_amd64")),
    "cert-manager": lambda: _program("cert-manager", ("cert-manager",)),
    "postgresql": _postgres,
    "rsyslog": lambda: _packaged("rsyslog", rsyslog.root()),
    "pgbouncer": _pgbouncer,
    **{name: functools.partial(_monitoring, name) for name in MONITORING},
}
