"""What is special about the feedback system: few users, long lists; it must not hold as many connections."""

from typing import Final

WEB_ENVIRONMENT: Final = {"WEB_WORKERS": "2", "WEB_THREADS": "8", "CONN_MAX_AGE": "60"}
JOB_ENVIRONMENT: Final = {"CONN_MAX_AGE": "0"}
