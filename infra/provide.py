"""`python -m infra.provide`: puts passwords, keys and buckets where the stacks expect them, between grounds and data.

Run it as often as you like: it makes what is missing and keeps what is there. It never prints a secret.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from catalogue import norms, volumes
from catalogue.load import Catalogue, CatalogueError, load
from catalogue.system import System
from infra import cluster_api, log_keys, naming
from infra.config import catalogue_folder
from infra.credentials import Done, Secrets
from infra.errors import InfraError
from infra.object_store import Keys, ObjectStore
from infra.retention import Kept
from infra.sizes import BACKUP_DAYS

CREDENTIALS_VARIABLE: Final = "DCSHIFT_S3_CREDENTIALS"
_ROOT: Final = Path(__file__).resolve().parents[1]


def provide(catalogue: Catalogue, secrets: Secrets, store: ObjectStore) -> Iterator[tuple[str, Done]]:
    """Provide for every system; yields each thing as it is certain. Raises `InfraError`."""
    for system in catalogue.systems:
        secrets.require_namespaces(system)
        for done in secrets.provide_logins(system):
            yield system.id, done
        for done in (*_buckets(catalogue, system, secrets, store), *_backups(catalogue, system, secrets, store)):
            yield system.id, done


def _buckets(catalogue: Catalogue, system: System, secrets: Secrets, store: ObjectStore) -> Iterator[Done]:
    province, namespace = catalogue.province, naming.app_namespace(system.id)
    for files in volumes.buckets(system):
        bucket = naming.bucket(province.id, province.environment, system.id, files.name)
        yield _bucket(store, bucket, Kept(files.kept_days, locked=False))
        yield _keys(bucket, namespace, naming.bucket_secret(system.id, files.name), secrets, store)


def _backups(catalogue: Catalogue, system: System, secrets: Secrets, store: ObjectStore) -> Iterator[Done]:
    """Provide the place of a database's backups, keys to write there, and others that can only read, for drills."""
    province = catalogue.province
    bucket = naming.backup_bucket(province.id, province.environment, system.id)
    asked = norms.controls(norms.named(province.norms), system.level)
    yield _bucket(store, bucket, Kept(BACKUP_DAYS, locked=asked.backup_object_lock))
    yield _keys(bucket, naming.data_namespace(system.id), naming.backup_secret(system.id), secrets, store)
    yield _keys(bucket, naming.DRILLS, naming.restore_secret(system.id), secrets, store, read_only=True)


def _bucket(store: ObjectStore, bucket: str, kept: Kept) -> Done:
    made = store.provide_bucket(bucket, kept)
    how = "no version of which can be deleted" if kept.locked else "which keeps versions"
    own_way = "" if store.drops_unfinished(bucket) else "; what its store does with unfinished uploads it does not say"
    return Done(f"bucket {bucket}, {how} for {kept.days} days{own_way}", made=made)


def _keys(
    bucket: str, namespace: str, name: str, secrets: Secrets, store: ObjectStore, *, read_only: bool = False
) -> Done:
    kept = secrets.read(namespace, name)
    # Keys that open nothing (another store, a restored one) are worth as much as none.
    usable = kept is not None and store.opens(bucket, Keys(kept["access_key"], kept["secret_key"]))
    if not usable:
        keys = store.new_keys(bucket, read_only=read_only)
        secrets.write(namespace, name, {"access_key": keys.access_key, "secret_key": keys.secret_key})
    return Done(f"keys of bucket {bucket}, Secret {namespace}/{name}", made=not usable)


def _security_log(catalogue: Catalogue, secrets: Secrets) -> Iterator[tuple[str, Done]]:
    """Provide the certificates of the security log, if the province declares one."""
    if log := catalogue.province.security_log:
        lab = _ROOT / "build" / "lab" / "target" / "security"
        folders = {name: Path(os.environ.get(key) or lab / name) for name, key in log_keys.VARIABLES.items()}
        yield from log_keys.provide(secrets, log, folders, datetime.datetime.now(datetime.UTC))


def administrator(path: Path) -> tuple[str, Keys]:
    """Read the store's region and administrator's keys. Raises `InfraError`."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return content["region"], Keys(content["access_key"], content["secret_key"])
    except (OSError, KeyError, json.JSONDecodeError) as bad:
        raise InfraError(
            "store-credentials-unreadable",
            what="the object store's administrator is not known",
            why=f"{path}: {bad}",
            state="nothing was changed",
            next=f"name a file with region, access_key and secret_key in {CREDENTIALS_VARIABLE}, or dcshift lab up",
        ) from bad


def main() -> int:
    """Provide everything and say what was made; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.provide", description=__doc__)
    given = os.environ.get(CREDENTIALS_VARIABLE) or _ROOT / "build" / "lab" / "target" / "s3.json"
    parser.add_argument("--s3-credentials", type=Path, default=Path(given), help="file with the store's admin keys")
    arguments = parser.parse_args()
    try:
        catalogue = load(catalogue_folder())
        region, admin = administrator(arguments.s3_credentials)
        store = ObjectStore(catalogue.province.target.object_store, region, admin)
        secrets = Secrets.of(cluster_api.connected())
        for system, done in itertools.chain(provide(catalogue, secrets, store), _security_log(catalogue, secrets)):
            sys.stdout.write(f"{system}: {'made' if done.made else 'kept'}  {done.name}\n")
    except (InfraError, CatalogueError) as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    except (ApiException, HTTPError) as fault:
        sys.stderr.write(f"{_unreachable(fault)}\n")
        return 1
    return 0


def _unreachable(fault: Exception) -> InfraError:
    return InfraError(
        "cluster-refused",
        what="the cluster refused or did not answer",
        why=str(fault),
        state="what was said above is done; the rest is not",
        next="check KUBECONFIG and the rights of its user, then run this again",
    )


if __name__ == "__main__":
    sys.exit(main())
