"""What is special about the portal: many readers at once, and jobs that are one short command each."""

from typing import Final

WEB_ENVIRONMENT: Final = {"WEB_WORKERS": "2", "WEB_THREADS": "16", "CONN_MAX_AGE": "60"}
JOB_ENVIRONMENT: Final = {"CONN_MAX_AGE": "0"}
