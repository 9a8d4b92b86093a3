"""Pods and containers without any right beyond their own work, as `restricted` pod security demands them; pure."""

from __future__ import annotations

from typing import Any, Final

Document = dict[str, Any]
_USER: Final = 10001


def pod(account: str, containers: list[Document], **more: Any) -> Document:
    """Return a pod's spec without a token of the cluster; `more` are further fields of it."""
    return {
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _USER,
            "runAsGroup": _USER,
            "fsGroup": _USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": containers,
        **more,
    }


def security_context() -> Document:
    """Return the security context of a container that writes where a volume is mounted and nowhere else."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
