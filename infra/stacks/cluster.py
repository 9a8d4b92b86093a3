"""The one way to the cluster that every stack takes; it keeps no kubeconfig, so none lands in a state file."""

from __future__ import annotations

import pulumi_kubernetes as k8s

from infra.config import Settings


def provider(settings: Settings) -> k8s.Provider:
    """Return the stack's own provider.

    The kubeconfig comes from `KUBECONFIG` at each run. `cluster_identifier` is what makes a cluster the same one, so
    a renewed certificate never replaces the provider, and with it everything that it owns.
    """
    province = settings.catalogue.province
    return k8s.Provider(
        "target",
        cluster_identifier=f"{province.id}-{province.environment}",
        enable_server_side_apply=True,
        # A changed ConfigMap changes in place; the default would replace it and everything that mounts it.
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
    )
