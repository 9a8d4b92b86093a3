"""How gunicorn serves the portal, of the same meaning for every gunicorn release in use."""

import os

import gunicorn

bind = f"0.0.0.0:{os.environ.get('PORT', '8000')}"
chdir = os.environ["APP_DIR"]
worker_class = "gthread"
workers = int(os.environ.get("WEB_WORKERS", "2"))
# Each thread keeps a database connection: workers × threads × replicas must stay below what the server allows.
threads = int(os.environ.get("WEB_THREADS", "8"))
preload_app = True
timeout = 120
graceful_timeout = 30
# Longer than the proxy in front keeps idle connections: else it may send a POST into a connection just closed here.
keepalive = 75
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp"
accesslog = "-"
errorlog = "-"
forwarded_allow_ips = "*"
if gunicorn.version_info >= (25,):
    control_socket_disable = True
