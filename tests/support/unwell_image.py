"""A release of the portal that starts, answers its health with 500 and gives up: all but its web process is whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lab.images import import_images, store
from lab.images.layers import Entry, Layer
from lab.images.recipes import recipe
from lab.images.store import Part
from lab.target import layout

_PROGRAM: Final = b"""#!/opt/portal/venv/bin/python3
import http.server, os, sys, threading

class Unwell(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_error(500)

server = http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Unwell)
threading.Timer(5, server.shutdown).start()
server.serve_forever()
sys.exit("the settings of this release are wrong")
"""


def unwell_portal() -> str:
    """Bring it to the node, and return its digest."""
    healthy = recipe("portal:8.0.1")
    web = Layer(entries=(Entry("opt/portal/bin/web", _PROGRAM, 0o755),))
    parts = (*healthy.parts, Part(f"portal that is unwell {_PROGRAM!r}", lambda: web))
    image = store.build(replace(healthy, names=("dcshift.local/portal:unwell",), parts=parts))
    import_images([image], layout.CONTAINERD_SOCKET)
    return f"sha256:{image.digest}"
