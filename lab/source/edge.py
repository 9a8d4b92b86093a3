"""edge1: nginx in front of both systems, and the province's DNS; it terminates TLS and holds no state."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from lab import addresses, ca
from lab.apps.systems import SYSTEMS, AppSystem
from lab.source.files import link, write

_SITE: Final = """\
server {{
    listen 80;
    server_name {name};
    return 301 https://$host$request_uri;
}}

server {{
    listen 443 ssl http2;
    server_name {name};
    ssl_certificate /etc/nginx/tls/{system}.pem;
    ssl_certificate_key /etc/nginx/tls/{system}.key;
    client_max_body_size 120m;

    location / {{
        proxy_pass http://{backend}:{port};
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto https;
        proxy_read_timeout 120s;
        # A request is never sent a second time: an application may have acted on the first.
        proxy_next_upstream off;
    }}
}}
"""

_TTL_SECONDS: Final = 300  # what an ordinary zone has before anybody thinks of a move


def configure(root: Path) -> None:
    """Write the sites, their certificates, and the zone."""
    for system in SYSTEMS:
        name = addresses.SITES[system.name]
        certificate, key = ca.SITES.issue(name, [name], [addresses.SOURCE_HOSTS["edge1"]])
        write(root, f"/etc/nginx/tls/{system.name}.pem", certificate)
        write(root, f"/etc/nginx/tls/{system.name}.key", key, mode=0o600)
        write(root, f"/etc/nginx/sites-available/{system.name}.conf", site(system))
        link(root, f"/etc/nginx/sites-enabled/{system.name}.conf", f"/etc/nginx/sites-available/{system.name}.conf")
    write(root, "/etc/dnsmasq.d/khanhhoa.conf", zone())


def site(system: AppSystem) -> str:
    """Return the nginx site of a system."""
    return _SITE.format(
        name=addresses.SITES[system.name],
        system=system.name,
        backend=addresses.SOURCE_HOSTS["app1"],
        port=system.port,
    )


def zone() -> str:
    """Return dnsmasq's configuration: authoritative for the province's domain, nothing beyond it."""
    edge = addresses.SOURCE_HOSTS["edge1"]
    lines = ["no-resolv", "no-hosts", "bind-dynamic", f"listen-address={edge},127.0.0.1", f"local=/{addresses.DOMAIN}/"]
    lines += [f"host-record={name},{edge},{_TTL_SECONDS}" for name in addresses.SITES.values()]
    lines += [
        f"host-record={host}.{addresses.DOMAIN},{ip},{_TTL_SECONDS}" for host, ip in addresses.SOURCE_HOSTS.items()
    ]
    return "\n".join(lines) + "\n"
