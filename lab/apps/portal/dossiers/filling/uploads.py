"""Invents uploaded files, the same bytes every time: log-normal sizes, names as citizens give them."""

import hashlib
import json
import math
import os
import random
import unicodedata

from django.db import connection

from dossiers.filling import words
from dossiers.filling.bulk import set_sequences

_SEED = 20_260_105
_EMPTY_EVERY = 211
_TWIN_EVERY, _TWIN_REST = 300, 100  # the file before it is a multiple of 3: its name is decomposed
_MEDIAN_BYTES = 1_800
_SIGMA = 1.45
_SIZE_MAX = 400_000
_INSERT = """
INSERT INTO dossiers_attachment (dossier_id, file, name, sha256, size, uploaded_at)
SELECT r.dossier_id, r.file, r.name, r.sha256, r.size, d.submitted_at
FROM jsonb_to_recordset(%s::jsonb) AS r (dossier_id bigint, file text, name text, sha256 text, size bigint)
JOIN dossiers_dossier d ON d.id = r.dossier_id ORDER BY r.dossier_id
"""


def fill(folder, count, big_bytes):
    """Write `count` files below `folder`, the last one of `big_bytes`, and their rows; return the bytes written."""
    chance = random.Random(_SEED)
    rows = []
    for index in range(1, count + 1):
        big = index == count
        size = big_bytes if big else _size(chance, index)
        name = "Bản đồ quy hoạch tỉnh (ảnh gốc).tif" if big else _name(index)
        path = _path(index, name)
        digest = _write(folder, path, chance, size)
        rows.append({"dossier_id": index, "file": path, "name": name, "sha256": digest, "size": size})
    _insert(rows)
    set_sequences("dossiers_attachment")
    return sum(row["size"] for row in rows)


def _size(chance, index):
    drawn = int(math.exp(chance.gauss(math.log(_MEDIAN_BYTES), _SIGMA)))
    return 0 if index % _EMPTY_EVERY == 0 else min(drawn, _SIZE_MAX)


def _path(index, name):
    """Return where a file lies; now and then two differ by nothing but how their name's diacritics are encoded."""
    if index % _TWIN_EVERY == _TWIN_REST:
        index, name = index - 1, unicodedata.normalize("NFC", _name(index - 1))
    return f"luu-tru/{2023 + index % 4}/{index % 128:03d}/{index:06d} {name}"


def _name(index):
    """Return a name; every third one comes decomposed, as some telephones send it."""
    name = words.FILE_NAMES[index % len(words.FILE_NAMES)]
    return unicodedata.normalize("NFD" if index % 3 == 0 else "NFC", name)


def _write(folder, path, chance, size):
    content = chance.getrandbits(8 * size).to_bytes(size, "little") if size < 1_000_000 else None
    target = os.path.join(folder, path)
    os.makedirs(os.path.dirname(target), mode=0o750, exist_ok=True)
    digest = hashlib.sha256()
    with open(target, "wb") as file:
        for block in [content] if content is not None else _blocks(chance, size):
            file.write(block)
            digest.update(block)
    os.chmod(target, 0o640)
    return digest.hexdigest()


def _blocks(chance, size):
    while size > 0:
        length = min(size, 1 << 20)
        yield chance.getrandbits(8 * length).to_bytes(length, "little")
        size -= length


def _insert(rows):
    with connection.cursor() as cursor:
        for start in range(0, len(rows), 5_000):
            cursor.execute(_INSERT, [json.dumps(rows[start : start + 5_000])])
