"""The settings of a provider; what the stand-in does not do is refused here, in a sentence each."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from standin.values import UNKNOWN, Json

_REFUSED: Final = {
    "alwaysRender": "it renders no YAML",
    "renderYamlToDirectory": "it renders no YAML",
    "helmReleaseSettings": "it has no Helm",
    "kubeClientSettings": "it uses one fixed set of client settings",
    "deleteUnreachable": "what cannot be reached is never taken for deleted",
    "skipUpdateUnreachable": "what cannot be reached is never taken for updated",
    "upsertExistingObjects": "it never adopts an object that it did not create",
    "cluster": "choose a context instead",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How to reach the cluster and how to treat its objects."""

    kubeconfig: str
    context: str | None
    namespace: str
    config_maps_mutable: bool
    secrets_mutable: bool
    force: bool

    @property
    def known(self) -> bool:
        """Whether all is known yet; in a preview the kubeconfig may come from something not yet created."""
        return UNKNOWN not in (self.kubeconfig, self.context, self.namespace)


def refusals(inputs: Mapping[str, Json]) -> list[tuple[str, str]]:
    """Return each setting that is not supported with the sentence that says so."""
    found = [
        (name, f"the stand-in plugin does not support {name}: {why}")
        for name, why in _REFUSED.items()
        if inputs.get(name) not in (None, "", False, "false")
    ]
    if inputs.get("enableServerSideApply") in (False, "false"):
        found.append(("enableServerSideApply", "the stand-in plugin knows only server-side apply"))
    return found


def settings(inputs: Mapping[str, Json]) -> Settings:
    """Return the settings of a provider."""
    return Settings(
        kubeconfig=str(inputs.get("kubeconfig") or ""),
        context=str(inputs["context"]) if inputs.get("context") else None,
        namespace=str(inputs.get("namespace") or "default"),
        config_maps_mutable=_flag(inputs, "enableConfigMapMutable", "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE"),
        secrets_mutable=_flag(inputs, "enableSecretMutable", "PULUMI_K8S_ENABLE_SECRET_MUTABLE"),
        force=_flag(inputs, "enablePatchForce", "PULUMI_K8S_ENABLE_PATCH_FORCE"),
    )


def _flag(inputs: Mapping[str, Json], name: str, variable: str) -> bool:
    # The engine hands booleans of a provider over as JSON in strings.
    given = inputs.get(name)
    if given is None:
        return os.environ.get(variable, "").lower() == "true"
    return given in (True, "true")
