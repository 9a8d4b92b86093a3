"""Debian root file systems, built once from the machine's own mirror and kept in the cache; it never starts a host.

A base is a plain folder, `<cache>/rootfs/<suite>-<name>-<hash>`, made complete in a temporary name and then renamed:
what stands under its final name can be used, also after a kill. Bases are read-only for their users: they are lower
layers of overlays (source hosts) or copied from (images).
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from lab.command import Completed, run
from lab.errors import LabError
from lab.paths import cache

_RECIPE: Final = "1"  # raise it when a base must be built anew although its packages did not change
_GUEST_CA: Final = "/run/dcshift-ca.pem"
_GUEST_PIP_CACHE: Final = "/run/dcshift-pip"
# Programs that write for long end with the command that started them, also when that is killed.
BOUND: Final = ("setpriv", "--pdeathsig", "TERM")
COPY: Final = (*BOUND, "cp", "-a", "--reflink=auto")
_ORPHANS_SECONDS_MAX: Final = 20.0
_POLICY: Final = "#!/bin/sh\n# Nothing starts while a root file system is being built.\nexit 101\n"
_APT: Final = (
    "apt-get",
    "-qq",
    "-y",
    "-o=APT::Sandbox::User=root",  # the bound cache belongs to root; _apt could not write there
    "-o=Acquire::Retries=5",
    "-o=Dpkg::Options::=--force-confold",
    "-o=Dpkg::Options::=--force-unsafe-io",
    "--no-install-recommends",
)


def base(suite: str, packages: Sequence[str] = (), name: str = "base") -> Path:
    """Return a Debian root folder of `suite` with `packages`, built if the cache does not hold it (about 2 minutes)."""
    wanted = tuple(sorted(set(packages)))
    target = base_place(suite, wanted, name)
    if not wanted:
        return cached(target, lambda folder: _bootstrap(suite, folder))

    def build(folder: Path) -> None:
        run([*COPY, f"{base(suite, (), 'minbase')}/.", folder], timeout_seconds=300)
        install(folder, suite, wanted)

    return cached(target, build)


def base_place(suite: str, packages: Sequence[str], name: str) -> Path:
    """Return where a base is kept, whether it is there or not."""
    return cache() / "rootfs" / f"{suite}-{name}-{digest(_RECIPE, suite, *sorted(set(packages)))}"


def install(root: Path, suite: str, packages: Sequence[str]) -> None:
    """Install Debian packages into a root folder; leaves no sources, lists or archives behind in it."""
    apt = cache() / "apt" / suite
    for folder in ("lists", "archives"):
        (apt / folder / "partial").mkdir(parents=True, exist_ok=True)
    binds = {apt / "lists": "/var/lib/apt/lists", apt / "archives": "/var/cache/apt/archives"}
    shell = functools.partial(in_rootfs, root, binds=binds, timeout_seconds=1800)
    with lock(apt / "lock"):
        listed = root / "etc/apt/sources.list"
        listed.write_text("\n".join(sources(suite)) + "\n")
        try:
            shell([*_APT, "update"])
            shell([*_APT, "dist-upgrade"])
            if packages:
                shell([*_APT, "install", *packages])
        finally:
            listed.unlink()


def in_rootfs(
    root: Path,
    argv: Sequence[str],
    *,
    binds: Mapping[Path, str] | None = None,
    env: Mapping[str, str] | None = None,
    network: bool = True,
    timeout_seconds: float = 600.0,
) -> Completed:
    """Run a program inside a root folder, with the machine's network, CA bundle and pip cache; services stay off.

    `binds` maps host folders to guest paths, writable. `env` is seen by the program. Without `network` it has a
    loopback of its own and nothing else. Raises `LabError` on failure.
    """
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text(_POLICY)
    policy.chmod(0o755)
    machine = f"build-{digest(str(root))}"
    bundle, pip = _ca_bundle(), cache() / "pip"
    pip.mkdir(exist_ok=True)
    words = [*BOUND, "nice", "-n", "10", "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--as-pid2"]
    words += ["--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=pipe", f"--directory={root}"]
    words += [
        f"--machine={machine}",
        "--bind-ro=/etc/resolv.conf",
        f"--bind-ro={bundle}:{_GUEST_CA}",
        f"--bind={pip}:{_GUEST_PIP_CACHE}",
    ]
    if Path("/etc/pip.conf").exists():
        words.append("--bind-ro=/etc/pip.conf")
    words += [f"--bind={host}:{guest}" for host, guest in (binds or {}).items()]
    words += [f"--setenv={key}={value}" for key, value in {**_guest_environment(), **(env or {})}.items()]
    words += [] if network else ["--private-network"]
    try:
        return run([*words, "--", *argv], timeout_seconds=timeout_seconds)
    finally:
        policy.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # nspawn's own, left behind where no systemd runs
            Path("/run/systemd/nspawn/propagate", machine).rmdir()
        for leftover in ("etc/resolv.conf", "etc/pip.conf"):  # empty mount points that nspawn made
            path = root / leftover
            if path.is_file() and not path.is_symlink() and path.stat().st_size == 0:
                path.unlink()


def cached(target: Path, build: Callable[[Path], None]) -> Path:
    """Return `target`, built by `build` in a temporary folder beside it if missing; one builder at a time."""
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with lock(target.parent / f".{target.name}.lock"):
        if target.is_dir():  # another process built it while this one waited
            return target
        fresh = target.parent / f".{target.name}.new"
        remove_tree(fresh)
        fresh.mkdir()
        build(fresh)
        fresh.rename(target)
    return target


def remove_tree(folder: Path) -> None:
    """Remove a folder and all in it; refuses while something is mounted inside: deleting through a mount is a loss."""
    mounted = _mount_points()
    for point in sorted((p for p in mounted if Path(p).is_relative_to(folder)), reverse=True):
        run(["umount", "--lazy", point], check=False)
    if any(Path(point).is_relative_to(folder) for point in _mount_points()):
        raise LabError(
            "mounts-left",
            what=f"{folder} was not removed",
            why="something is mounted inside and does not let go",
            state="nothing was deleted",
            next=f"findmnt -R {folder}   shows it; umount it, then run the same command again",
        )
    deadline = time.monotonic() + _ORPHANS_SECONDS_MAX
    while folder.exists():
        try:
            shutil.rmtree(folder)
        except OSError:  # what a killed command left running is still writing; it ends soon, see BOUND
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def digest(*parts: str) -> str:
    """Return 12 hexadecimal digits that stand for these texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]


def _bootstrap(suite: str, folder: Path) -> None:
    archives = cache() / "apt" / suite / "debootstrap"
    archives.mkdir(parents=True, exist_ok=True)
    words = [*BOUND, "nice", "-n", "10", "debootstrap", "--variant=minbase", f"--cache-dir={archives}"]
    run([*words, "--include=ca-certificates", suite, folder, _mirrors()[0]], timeout_seconds=1800)
    install(folder, suite, ())
    for path in (folder / "var/lib/apt/lists").iterdir():
        remove_tree(path) if path.is_dir() else path.unlink()
    for path in (folder / "var/cache/apt/archives").glob("*.deb"):
        path.unlink()
    (folder / "etc/resolv.conf").unlink(missing_ok=True)
    (folder / "etc/machine-id").write_text("")  # each host makes its own at its first boot
    (folder / "etc/hostname").unlink(missing_ok=True)


def sources(suite: str) -> list[str]:
    """Return where apt finds a suite: on the machine's own mirrors."""
    main, security = _mirrors()
    lines = [f"deb {main} {suite} main", f"deb {main} {suite}-updates main"]
    return [*lines, f"deb {security} {suite}-security main"]


@functools.cache
def _mirrors() -> tuple[str, str]:
    """Return the machine's own Debian mirrors: (main archive, security archive)."""
    words = ["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    targets = [line.split() for line in run(words).stdout.splitlines()]
    release = _own_release()
    main = next((site for site, suite, _ in targets if suite == release), None)
    security = next((site for site, suite, _ in targets if suite == f"{release}-security"), None)
    if main is None:
        raise LabError(
            "no-debian-mirror",
            what="no Debian mirror is known",
            why=f"apt on this machine has no source for {release}",
            state="nothing was built",
            next="add a Debian mirror to /etc/apt/sources.list.d, then run the same command again",
        )
    return main, security or f"{main.rstrip('/')}-security"


def _own_release() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    return "stable"


def _ca_bundle() -> Path:
    given = (os.environ.get(name) for name in ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"))
    return next((Path(path) for path in given if path), Path("/etc/ssl/certs/ca-certificates.crt"))


def _guest_environment() -> dict[str, str]:
    """Return what a build needs to know of the machine: locale, certificates, and the package index pip is to use."""
    passed = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_DEFAULT_TIMEOUT")
    proxies = ("http_proxy", "https_proxy", "no_proxy")
    return {
        **{name: os.environ[name] for name in (*passed, *proxies) if name in os.environ},
        "DEBIAN_FRONTEND": "noninteractive",
        "LC_ALL": "C.UTF-8",
        "PIP_CERT": _GUEST_CA,
        "PIP_CACHE_DIR": _GUEST_PIP_CACHE,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }


def _mount_points() -> list[str]:
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]


@contextlib.contextmanager
def lock(path: Path) -> Iterator[None]:
    """Keep others who build the same out."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
