"""What every source host gets before its first boot: name, address, keys, trust; never on a running host."""

from __future__ import annotations

import uuid
from pathlib import Path

import yaml

from lab import addresses, ca
from lab.command import run
from lab.paths import STATE
from lab.source.files import append, enable, write

_PREFIX = 25
_GROUPS = {"database": ["db1"], "application": ["app1"], "files": ["files1"], "edge": ["edge1"]}


def identity(host: str, root: Path) -> str:
    """Give a host its name, address, keys and the lab's trust; return its public SSH host key."""
    address = addresses.SOURCE_HOSTS[host]
    write(root, "/etc/hostname", f"{host}\n")
    write(root, "/etc/machine-id", f"{uuid.uuid4().hex}\n")
    write(root, "/etc/hosts", _hosts())
    write(root, "/etc/resolv.conf", f"search {addresses.DOMAIN}\nnameserver {addresses.SOURCE_HOSTS['edge1']}\n")
    write(
        root,
        "/etc/systemd/network/10-host0.network",
        f"[Match]\nName=host0\n[Network]\nAddress={address}/{_PREFIX}\nGateway={addresses.SOURCE_GATEWAY}\n"
        "LinkLocalAddressing=no\nIPv6AcceptRA=no\n",
    )
    authority = ca.SITES.ensure().read_text()
    write(root, "/usr/local/share/ca-certificates/dcshift-lab.crt", authority)
    append(root, "/etc/ssl/certs/ca-certificates.crt", authority)
    write(
        root,
        f"/home/{addresses.OPERATOR}/.ssh/authorized_keys",
        operator_key().with_suffix(".pub").read_text(),
        mode=0o644,
    )
    return _host_key(root)


def operator_key() -> Path:
    """Return the operator's private SSH key, made if this lab has none yet."""
    key = STATE / "ssh" / "id_ed25519"
    if not key.exists():
        key.parent.mkdir(parents=True, exist_ok=True)
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "operator of the lab", "-f", key])
    return key


def known_hosts(keys: dict[str, str]) -> Path:
    """Write the hosts' real keys, so that the first connection is as strict as every other."""
    path = STATE / "ssh" / "known_hosts"
    path.write_text("".join(f"{host},{addresses.SOURCE_HOSTS[host]} {key}\n" for host, key in sorted(keys.items())))
    return path


def inventory() -> Path:
    """Write the Ansible inventory of the source, and of the job host that moves bytes."""
    options = (
        f"-o UserKnownHostsFile={STATE / 'ssh' / 'known_hosts'} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes"
    )
    groups = {
        group: {"hosts": {host: {"ansible_host": addresses.SOURCE_HOSTS[host]} for host in hosts}}
        for group, hosts in _GROUPS.items()
    }
    source = {
        "children": groups,
        "vars": {
            "ansible_user": addresses.OPERATOR,
            "ansible_ssh_private_key_file": str(operator_key()),
            "ansible_ssh_common_args": options,
            "ansible_python_interpreter": "/usr/bin/python3",
        },
    }
    local = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    tree = {"all": {"children": {"source": source, "mover": {"hosts": {"localhost": local}}}}}
    path = STATE / "inventory.yml"
    path.write_text(yaml.safe_dump(tree, sort_keys=False))
    return path


def ssh(host: str) -> list[str]:
    """Return the words that run a command on a host as the operator."""
    folder = STATE / "ssh"
    options = ["BatchMode=yes", "ConnectTimeout=5", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes"]
    words = ["ssh", "-i", str(folder / "id_ed25519"), "-o", f"UserKnownHostsFile={folder / 'known_hosts'}"]
    for option in options:
        words += ["-o", option]
    return [*words, f"{addresses.OPERATOR}@{addresses.SOURCE_HOSTS[host]}"]


def unit(root: Path, name: str, text: str) -> None:
    """Install a systemd unit and have it start at boot."""
    write(root, f"/etc/systemd/system/{name}", text)
    enable(root, name)


def _host_key(root: Path) -> str:
    path = root / "etc/ssh/ssh_host_ed25519_key"
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path])
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


def _hosts() -> str:
    lines = ["127.0.0.1 localhost"]
    lines += [f"{address} {host}.{addresses.DOMAIN} {host}" for host, address in addresses.SOURCE_HOSTS.items()]
    return "\n".join(lines) + "\n"
