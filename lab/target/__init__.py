"""The target data centre: a real Kubernetes node with PostgreSQL operator, gateway and object store on this machine."""

from __future__ import annotations

from lab.target.lifecycle import Status, down, prepare, status, up

__all__ = ["Status", "down", "prepare", "status", "up"]
