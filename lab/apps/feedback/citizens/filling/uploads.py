"""Invents the files citizens attached, the same bytes every time, at the paths helpdesk would choose."""

import math
import os
import random
import unicodedata

from django.db import connection
from helpdesk.models import FollowUpAttachment

_SEED = 20_260_106
_NAMES = (
    "Ảnh hiện trường.jpg",
    "Đơn phản ánh của tổ dân phố số 5.pdf",
    "Biên bản làm việc (lần 2).docx",
    "Sơ đồ vị trí.png",
    "Ghi chú thêm.txt",
)
_FIRST_FOLLOWUPS = """
SELECT f.id, q.slug || '-' || t.id || '-' || t.secret_key
FROM helpdesk_ticket t JOIN helpdesk_queue q ON q.id = t.queue_id
JOIN LATERAL (SELECT id FROM helpdesk_followup WHERE ticket_id = t.id ORDER BY id LIMIT 1) f ON true
ORDER BY t.id LIMIT %s
"""


def fill(folder, count):
    """Write `count` files below `folder` and their rows; return the bytes written."""
    chance = random.Random(_SEED)
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_FOLLOWUPS, [count])
        places = cursor.fetchall()
    attachments = []
    for index, (followup, place) in enumerate(places, start=1):
        size = 0 if index % 151 == 0 else min(int(math.exp(chance.gauss(math.log(6_000), 1.2))), 500_000)
        name = unicodedata.normalize("NFD" if index % 4 == 0 else "NFC", _NAMES[index % len(_NAMES)])
        path = f"helpdesk/attachments/{place}/{followup}/{name}"
        _write(os.path.join(folder, path), chance.getrandbits(8 * size).to_bytes(size, "little") if size else b"")
        kind = {"jpg": "image/jpeg", "png": "image/png", "pdf": "application/pdf"}.get(name[-3:], "text/plain")
        attachments.append(
            FollowUpAttachment(followup_id=followup, file=path, filename=name, mime_type=kind, size=size)
        )
    FollowUpAttachment.objects.bulk_create(attachments, batch_size=1_000)
    return sum(attachment.size for attachment in attachments)


def _write(target, content):
    os.makedirs(os.path.dirname(target), mode=0o750, exist_ok=True)
    with open(target, "wb") as file:
        file.write(content)
    os.chmod(target, 0o640)
