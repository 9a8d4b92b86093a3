"""A volume of files that a system's pods open by its path: it must not be lost, and lies where those pods are."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s

from catalogue.system import Access, Quantity
from infra import mounts, naming


@dataclass(frozen=True, slots=True)
class FileVolumeArgs:
    """Which set of files of which system, and what holds it."""

    system: str
    """Id of the system whose pods open it."""
    files: str
    """Name of the set of files."""
    labels: dict[str, str]
    """Labels of the claim."""
    storage: Quantity
    """Size, such as `5Gi`; it grows where its class can expand volumes, and never shrinks."""
    access: Access
    """Whether every pod opens it, on whatever node, or the only pod of the web process."""
    storage_class: str
    """Class that gives this access; it should keep a volume whose claim goes."""
    may_be_destroyed: bool = False
    """Take off the locks that keep the files when their declaration goes."""


class FileVolume(pulumi.ComponentResource):
    """A claim, locked as a database is; its volume is made at once or for the first pod, as its class says."""

    claim: pulumi.Output[str]

    def __init__(self, name: str, args: FileVolumeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:data:FileVolume", name, None, opts)
        locked = not args.may_be_destroyed
        claim = k8s.core.v1.PersistentVolumeClaim(
            naming.logical(args.system, "claim", args.files),
            metadata={
                "name": naming.claim(args.system, args.files),
                "namespace": naming.app_namespace(args.system),
                "labels": args.labels,
                # Its pods come with a later stack, and until then most classes make no volume: to wait would be for
                # ever. At a later change the official plugin waits for `Pending`, which a bound claim never is again.
                "annotations": {"pulumi.com/skipAwait": "true"},
            },
            spec={
                "accessModes": [mounts.MODES[args.access]],
                "storageClassName": args.storage_class,
                "resources": {"requests": {"storage": args.storage}},
            },
            opts=pulumi.ResourceOptions(
                parent=self,
                # As a database's: not deleted, not with its declaration, and never made anew beside itself.
                protect=locked,
                retain_on_delete=locked,
                delete_before_replace=True,
            ),
        )
        self.claim = claim.metadata["name"]
        self.register_outputs({"claim": self.claim})
