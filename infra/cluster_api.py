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
    return client.CoreV1Api(connected())


def connected() -> Any:
    """Return a connection to the cluster of `KUBECONFIG`. Raises `InfraError` when that file cannot be used."""
    try:
        return config.new_client_from_config(os.environ.get("KUBECONFIG"))
    except Exception as bad:
        # The client has no error of its own for a file that is no YAML, or YAML of another shape.
        raise InfraError(
            "cluster-unknown",
            what="it is not known which cluster is meant",
            why=" ".join(f"{type(bad).__name__}: {bad}".split())[:400],
            state="nothing was asked and nothing was written",
            next="name its kubeconfig in KUBECONFIG",
        ) from bad
