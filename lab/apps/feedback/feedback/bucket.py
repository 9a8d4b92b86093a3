"""Uploads in a bucket; apart from `storage` so that a folder-only installation imports no S3 client."""

from storages.backends.s3 import S3Storage

from feedback.storage import KeepsNames, bucket_storage_options


class BucketStorage(KeepsNames, S3Storage):
    """Uploads in S3_BUCKET; keys equal the paths relative to UPLOADS_DIR."""

    def __init__(self, **options):
        super().__init__(**{**bucket_storage_options(), **options})
