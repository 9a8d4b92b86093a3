"""Invents what citizens write and attach, and says what each content's hash is; it never sends anything."""

from __future__ import annotations

import hashlib
import json
import math
import random
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

ATTACHMENT_BYTES_MIN: Final = 1_000
ATTACHMENT_BYTES_MAX: Final = 200_000
_DECOMPOSED_SHARE: Final = 0.3

_FAMILY: Final = ("Nguyễn", "Trần", "Lê", "Phạm", "Huỳnh", "Võ", "Đặng", "Bùi", "Đỗ")
_GIVEN: Final = ("Thị Hạnh", "Văn Đạt", "Ngọc Ánh", "Quốc Dũng", "Thùy Linh", "Hữu Nghĩa", "Mỹ Uyên", "Gia Bảo")
_STREETS: Final = ("Trần Phú", "Lê Hồng Phong", "Thống Nhất", "Nguyễn Trãi", "23 Tháng 10")
_PLACES: Final = ("phường Nha Trang", "phường Cam Ranh", "xã Diên Khánh", "xã Vạn Ninh")
_NOTES: Final = (
    "Kính đề nghị giải quyết sớm.",
    "Tôi xin bổ sung giấy tờ sau; xin cảm ơn!",
    "Đề nghị trả kết quả qua bưu chính,\r\ngọi trước khi giao.",
    "Hồ sơ nộp lần thứ hai – lần đầu thiếu bản sao.",
)
_SUBJECTS: Final = ("Đèn đường hỏng", "Rác chưa thu gom", "Nước đục, có mùi", "Ổ gà nguy hiểm", "Cây ngã chắn lối")
_FILES: Final = ("Đơn đề nghị.pdf", "Ảnh hiện trường.jpg", "Giấy khai sinh (bản sao).png", "Tờ khai bổ sung.txt")


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to send."""

    name: str
    content: bytes

    @property
    def sha256(self) -> str:
        """Return the content's SHA-256 in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


def content_sha256(fields: Mapping[str, str]) -> str:
    """Return the SHA-256 of named texts, the same for sender and auditor whatever the order of the names."""
    written = json.dumps(dict(fields), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()


class Inventor:
    """Draws contents from one seed."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def dossier(self) -> dict[str, str]:
        """Return a filing's texts by form field."""
        pick = self._chance.choice
        return {
            "applicant_name": f"{pick(_FAMILY)} {pick(_GIVEN)}",
            "applicant_phone": f"09{self._chance.randrange(10**8):08d}",
            "applicant_email": f"congdan{self._chance.randrange(10**6)}@khanhhoa.example",
            "address": f"Số {self._chance.randrange(1, 400)} {pick(_STREETS)}, {pick(_PLACES)}",
            "note": pick(_NOTES),
        }

    def ticket(self, client_ref: str) -> dict[str, str]:
        """Return a ticket's texts by form field; the reference stands in the title, where every release keeps it."""
        pick = self._chance.choice
        return {
            "title": f"{pick(_SUBJECTS)} số {self._chance.randrange(1000)} [ref:{client_ref}]",
            "body": f"{pick(_SUBJECTS)} tại {pick(_STREETS)}, {pick(_PLACES)}.\r\n{pick(_NOTES)}",
            "submitter_email": f"nguoidan{self._chance.randrange(10**6)}@khanhhoa.example",
        }

    def reply(self, client_ref: str) -> str:
        """Return a reply's text with its reference on a line of its own."""
        return f"{self._chance.choice(_NOTES)}\r\n[ref:{client_ref}]"

    def attachment(self) -> Attachment:
        """Return a file between 1 and 200 kB, small ones oftener; some names come decomposed."""
        low, high = math.log(ATTACHMENT_BYTES_MIN), math.log(ATTACHMENT_BYTES_MAX)
        size = int(math.exp(self._chance.uniform(low, high)))
        name = f"{self._chance.randrange(1000)} {self._chance.choice(_FILES)}"
        decomposed = self._chance.random() < _DECOMPOSED_SHARE
        name = unicodedata.normalize("NFD", name) if decomposed else unicodedata.normalize("NFC", name)
        return Attachment(name, self._chance.randbytes(size))
