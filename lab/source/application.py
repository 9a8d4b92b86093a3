"""app1: each system's code, unit, environment file and crontab, as an administrator would lay them out by hand."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from lab import addresses
from lab.apps.systems import AppSystem
from lab.source.configure import unit
from lab.source.files import group_id, write

_UNIT: Final = """\
[Unit]
Description=Web application {name}
After=network.target

[Service]
User={name}
Group={name}
EnvironmentFile=/etc/{name}.env
WorkingDirectory=/opt/{name}/app
ExecStart=/opt/{name}/app/bin/web
Restart=on-failure
RestartSec=1
# gunicorn ends its running requests first; systemd must not tell the workers before their arbiter does.
KillMode=mixed
TimeoutStopSec=35

[Install]
WantedBy=multi-user.target
"""

_WORKER: Final = """\
[Unit]
Description=Worker {worker} of {name}
After=network.target

[Service]
User={name}
Group={name}
EnvironmentFile=/etc/{name}.env
ExecStart=/opt/{name}/app/bin/manage {command}
Restart=always
RestartSec=1
TimeoutStopSec=35

[Install]
WantedBy=multi-user.target
"""

_MANAGE: Final = """\
#!/bin/sh
# Runs one of {name}'s management commands with the environment of its service.
set -a
. /etc/{name}.env
set +a
exec /opt/{name}/app/bin/manage "$@"
"""


def install_system(root: Path, system: AppSystem, secrets: dict[str, str], *, database_host: str) -> None:
    """Install one system below `root`; `secrets` has its `password` and `secret_key`."""
    source = root / "opt" / system.name / "app"
    shutil.copytree(system.source, source, ignore=shutil.ignore_patterns("__pycache__", "requirements-*"))
    write(root, f"/etc/{system.name}.env", environment(system, secrets, database_host), 0o640, (0, system.uid))
    write(root, f"/usr/local/bin/{system.name}-manage", _MANAGE.format(name=system.name), 0o755)
    unit(root, f"{system.name}.service", _UNIT.format(name=system.name))
    for worker in system.workers:
        text = _WORKER.format(name=system.name, worker=worker.name, command=worker.command)
        unit(root, f"{system.name}-{worker.name}.service", text)
    tab = "".join(
        f"{job.schedule} /usr/local/bin/{system.name}-manage {job.command} 2>&1 "
        f"| /usr/bin/logger -t {system.name}-{job.command}\n"
        for job in system.jobs
    )
    owner = (system.uid, group_id(root, "crontab"))
    write(root, f"/var/spool/cron/crontabs/{system.name}", tab, 0o600, owner)
    os.chown(root / "var/spool/cron/crontabs", 0, owner[1])


def environment(system: AppSystem, secrets: dict[str, str], database_host: str) -> str:
    """Return the environment file, in the words that systemd and a shell read alike."""
    lines = {
        "PGHOST": database_host,
        "PGPORT": "5432",
        "PGDATABASE": system.name,
        "PGUSER": system.name,
        "PGPASSWORD": secrets["password"],
        "SECRET_KEY": secrets["secret_key"],
        "ALLOWED_HOSTS": f"{addresses.SITES[system.name]},localhost,127.0.0.1,{addresses.SOURCE_HOSTS['app1']}",
        "UPLOADS_DIR": system.uploads,
        "PORT": str(system.port),
        "SIDE": "source",
    }
    return "".join(f"{key}={value}\n" for key, value in lines.items())
