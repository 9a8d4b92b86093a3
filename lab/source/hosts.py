"""What is installed on each source host, as cached layers over one Debian 11 base; it configures nothing of a lab."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lab import addresses
from lab.rootfs import base, in_rootfs, install
from lab.source.overlay import layer

SUITE: Final = "bullseye"

_EVERYWHERE: Final = (
    *("acl", "bind9-dnsutils", "ca-certificates", "cron", "curl", "dbus", "ifupdown", "iproute2", "iputils-ping"),
    *("less", "locales", "logrotate", "lsof", "netcat-openbsd", "openssh-server", "openssl", "procps", "python3"),
    *("python3-psycopg2", "rsync", "sudo", "systemd", "systemd-sysv"),
)

_PACKAGES: Final = {
    "db1": ("postgresql-13", "postgresql-client-13", "ssl-cert"),
    "app1": ("libpq5", "postgresql-client-13", "python3-distutils", "python3-venv"),
    "files1": (),
    "edge1": ("dnsmasq", "haproxy", "nftables", "nginx-light", "socat"),
}

# The same numbers on every host: uploads lie on files1 and are written by app1, and layers of several hosts are
# stacked to fill the databases, so a name must mean one number everywhere.
USERS: Final = {"portal": 2001, "feedback": 2002}
_POSTGRES_ID: Final = 150

_COMMON: Final = f"""set -eu
printf 'en_US.UTF-8 UTF-8\\nvi_VN UTF-8\\n' > /etc/locale.gen
locale-gen
groupadd --system --gid {_POSTGRES_ID} postgres
groupadd --system --gid {_POSTGRES_ID + 1} ssl-cert
useradd --system --uid {_POSTGRES_ID} --gid postgres --groups ssl-cert --home-dir /var/lib/postgresql \\
  --shell /bin/bash --comment 'PostgreSQL administrator' postgres
for pair in {" ".join(f"{name}:{number}" for name, number in USERS.items())}; do
  groupadd --gid "${{pair#*:}}" "${{pair%:*}}"
  useradd --uid "${{pair#*:}}" --gid "${{pair#*:}}" --create-home --shell /bin/bash "${{pair%:*}}"
done
# Debian has a group of this name already.
useradd --uid 2000 --gid {addresses.OPERATOR} --create-home --shell /bin/bash {addresses.OPERATOR}
printf '%s ALL=(ALL) NOPASSWD: ALL\\n' {addresses.OPERATOR} > /etc/sudoers.d/{addresses.OPERATOR}
chmod 0440 /etc/sudoers.d/{addresses.OPERATOR}
rm -f /etc/ssh/ssh_host_* /etc/machine-id /var/lib/dbus/machine-id
printf 'PasswordAuthentication no\\nUseDNS no\\n' > /etc/ssh/sshd_config.d/lab.conf
systemctl enable systemd-networkd.service
# Nothing here may reach for the outside or start by itself at night.
systemctl mask apt-daily.timer apt-daily-upgrade.timer systemd-timesyncd.service systemd-resolved.service \\
  systemd-networkd-wait-online.service getty@.service console-getty.service
"""

# The cluster of a lab comes filled from the cache; an empty one beside it would only take its port. The other lines
# are Debian's own defaults, which this file replaces.
_CREATE_CLUSTER: Final = """\
create_main_cluster = false
cluster_name = '%v/%c'
log_line_prefix = '%%m [%%p] %%q%%u@%%d '
add_include_dir = 'conf.d'
"""

_AFTER_INSTALL: Final = {
    "db1": "",
    "app1": "",
    "files1": "",
    # haproxy waits, installed but off, until the migration puts its gate in front of a site: at run time no host can
    # fetch packages any more.
    "edge1": "systemctl disable haproxy.service; rm -f /etc/nginx/sites-enabled/default",
}


def common() -> Path:
    """Return the base folder of Debian 11 with what every host has."""
    return base(SUITE, _EVERYWHERE, "host")


def lowers(host: str) -> tuple[Path, ...]:
    """Return the read-only layers of a host, topmost first; built if the cache lacks them."""
    bottom = common()
    users = layer("common", (bottom,), (_COMMON,), lambda root: _shell(root, _COMMON))
    packages = _PACKAGES[host]
    if not packages:
        return (users, bottom)

    def build(root: Path) -> None:
        created = root / "etc/postgresql-common/createcluster.conf"
        created.parent.mkdir(exist_ok=True)
        created.write_text(_CREATE_CLUSTER)
        install(root, SUITE, packages)
        _shell(root, _AFTER_INSTALL[host])

    own = layer(f"{host}-packages", (users, bottom), (_CREATE_CLUSTER, *packages, _AFTER_INSTALL[host]), build)
    return (own, users, bottom)


def _shell(root: Path, script: str) -> None:
    if script:
        in_rootfs(root, ["sh", "-c", script])
