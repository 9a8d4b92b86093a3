"""What is special about the portal: many readers at once, and jobs that are one short command each."""

from typing import Final

# No thread keeps its connection after a request: a pool of sessions would lend it to nobody else meanwhile.
WEB_ENVIRONMENT: Final = {"WEB_WORKERS": "2", "WEB_THREADS": "16", "CONN_MAX_AGE": "0"}
JOB_ENVIRONMENT: Final = {"CONN_MAX_AGE": "0"}
