"""Where uploads live: a folder or a bucket, under equal relative names; never renames what a citizen named."""

from urllib.parse import quote

from django.conf import settings
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import FileSystemStorage

NAME_BYTES_MAX = 200


class KeepsNames:
    """Keep spaces, diacritics and their normalisation form as sent; refuse what could leave the folder."""

    def get_valid_name(self, name):
        kept = "".join(character for character in name if character.isprintable() and character not in "/\\")
        kept = kept.encode()[-NAME_BYTES_MAX:].decode(errors="ignore")
        if kept.strip(" .") == "":
            raise SuspiciousFileOperation("a file needs a name")
        return kept

    def url(self, name):
        return settings.MEDIA_URL + quote(name)


class FolderStorage(KeepsNames, FileSystemStorage):
    """Uploads below UPLOADS_DIR."""


def bucket_storage_options():
    """Return the options of django-storages for the bucket; checksums only where asked, as not every store has them."""
    from botocore.config import Config

    return {
        "bucket_name": settings.S3_BUCKET,
        "endpoint_url": settings.S3_ENDPOINT,
        "access_key": settings.S3_ACCESS_KEY,
        "secret_key": settings.S3_SECRET_KEY,
        "region_name": settings.S3_REGION,
        "file_overwrite": False,
        "client_config": Config(
            s3={"addressing_style": "path"},
            signature_version="s3v4",
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            retries={"max_attempts": 5, "mode": "standard"},
            connect_timeout=5,
            read_timeout=30,
        ),
    }
