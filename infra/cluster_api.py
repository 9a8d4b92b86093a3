"""The API server of `KUBECONFIG`, for what is asked of the cluster outside the engine; it asks nothing itself."""

from __future__ import annotations

import functools
import os
from typing import Any

from kubernetes import client, config

from infra.errors import InfraError


@functools.cache
def core() -> Any:
    """Return a client of the core kinds. Raises `InfraError` when it is not known which cluster is meant."""
    try:
        return client.CoreV1Api(config.new_client_from_config(os.environ.get("KUBECONFIG")))
    except config.ConfigException as bad:
        raise InfraError(
            "cluster-unknown",
            what="it is not known which cluster is meant",
            why=str(bad),
            state="nothing was asked and nothing was written",
            next="name its kubeconfig in KUBECONFIG",
        ) from bad
