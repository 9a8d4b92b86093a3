"""What a person needs in the environment to run pulumi by hand as dcshift means it; it never runs pulumi itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def environment(backend: Path, kubeconfig: Path, virtual_environment: Path, path: str) -> Mapping[str, str]:
    """Return the variables: state in the folder `backend`, the tools of this checkout first on PATH, no update check.

    The passphrase is empty because no secret is in any state: secrets are generated in the cluster. A site that puts
    one there sets its own `PULUMI_CONFIG_PASSPHRASE`.
    """
    backend.mkdir(parents=True, exist_ok=True)
    return {
        "PULUMI_BACKEND_URL": f"file://{backend}",
        "PULUMI_CONFIG_PASSPHRASE": "",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "KUBECONFIG": str(kubeconfig),
        "VIRTUAL_ENV": str(virtual_environment),
        "PATH": f"{virtual_environment / 'bin'}:{path}",
    }
