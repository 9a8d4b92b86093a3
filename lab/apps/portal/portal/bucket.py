"""Uploads in a bucket; apart from `storage` so that a folder-only installation imports no S3 client."""

import threading

import boto3
from boto3.s3.transfer import TransferConfig
from storages.backends.s3 import S3Storage

from portal.storage import KeepsNames, bucket_storage_options

_creating = threading.Lock()


class BucketStorage(KeepsNames, S3Storage):
    """Uploads in S3_BUCKET; keys equal the paths relative to UPLOADS_DIR."""

    _session = None

    def __init__(self, **options):
        # An upload is one request: a pool of threads for each would only cost time.
        options.setdefault("transfer_config", TransferConfig(use_threads=False))
        super().__init__(**{**bucket_storage_options(), **options})

    @property
    def connection(self):
        """Return this thread's client; one session for all, as each new one would read its models from disk again."""
        known = getattr(self._connections, "connection", None)
        if known is not None:
            return known
        with _creating:
            return super().connection

    def _create_session(self):
        if BucketStorage._session is None:
            BucketStorage._session = boto3.Session(
                aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key
            )
        return BucketStorage._session
