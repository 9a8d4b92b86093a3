"""What pulumi lacks in the environment to work as dcshift means it; it never runs pulumi, and repeats no secret."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

BACKEND: Final = "PULUMI_BACKEND_URL"
_PHRASE: Final = "PULUMI_CONFIG_PASSPHRASE"
_PHRASE_FILE: Final = "PULUMI_CONFIG_PASSPHRASE_FILE"
_FILE: Final = "file://"


def environment(given: Mapping[str, str], own: Path, kubeconfig: Path, virtual_environment: Path) -> Mapping[str, str]:
    """Return the variables that are to be set beside those `given`: tools of this checkout first, no update check.

    State lies in the folder `own` only where `given` names no other place for it. The passphrase is empty where none
    is given, because no secret is in any state: secrets are generated in the cluster. What is given is left where it
    stands and is not returned, since both may hold a secret; only a path is, made absolute: pulumi works elsewhere.
    """
    found = {
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "KUBECONFIG": str(kubeconfig.absolute()),
        "VIRTUAL_ENV": str(virtual_environment),
        "PATH": f"{virtual_environment / 'bin'}:{given.get('PATH', '')}",
    }
    # An empty variable is how a CI server hands over a secret that nobody entered: pulumi would look for a login.
    backend, file = given.get(BACKEND) or "", given.get(_PHRASE_FILE) or ""
    if not backend:
        own.mkdir(parents=True, exist_ok=True)
        found[BACKEND] = f"{_FILE}{own}"
    elif backend.startswith(_FILE) and not backend.startswith((f"{_FILE}/", f"{_FILE}~")):
        found[BACKEND] = f"{_FILE}{Path(backend.removeprefix(_FILE)).absolute()}"
    if file:
        found[_PHRASE_FILE] = str(Path(file).absolute())
    elif not given.get(_PHRASE):
        found[_PHRASE] = ""
    return found
