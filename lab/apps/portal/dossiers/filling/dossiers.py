"""Invents dossiers and their history inside the database, by set, so that 300,000 take seconds."""

import json

from dossiers.filling import words
from dossiers.filling.bulk import execute, set_sequences, without_indexes

_TABLES = ("dossiers_dossier", "dossiers_statusevent", "dossiers_payment", "dossiers_attachment")

_WORDS = "(SELECT array_agg(value ORDER BY ordinality) FROM jsonb_array_elements_text(%s::jsonb) WITH ORDINALITY)"

_DOSSIERS = f"""
WITH w AS MATERIALIZED (SELECT {_WORDS} AS family, {_WORDS} AS middle, {_WORDS} AS given, {_WORDS} AS street,
    {_WORDS} AS place, %s::int[] AS online, {_WORDS} AS statuses)
INSERT INTO dossiers_dossier (id, number, client_ref, procedure_id, applicant_name, applicant_phone, applicant_email,
    address, form, tags, status, fee, postal_return, submitted_at)
SELECT i, 'KH-2026-' || lpad(i::text, 6, '0'), md5('dossier ' || i)::uuid, p.page_ptr_id,
    w.family[1 + i %% cardinality(w.family)] || ' ' || w.middle[1 + i / 7 %% cardinality(w.middle)] || ' '
        || w.given[1 + i / 3 %% cardinality(w.given)],
    '09' || lpad((i::bigint * 7919 %% 100000000)::text, 8, '0'),
    CASE WHEN i %% 3 = 0 THEN 'congdan' || i || '@khanhhoa.example' ELSE '' END,
    'Số ' || 1 + i %% 320 || ' ' || w.street[1 + i %% cardinality(w.street)] || ', '
        || w.place[1 + i / 11 %% cardinality(w.place)],
    jsonb_build_object('note', 'Đề nghị giải quyết hồ sơ số ' || i, 'channel',
        CASE WHEN i %% 4 = 0 THEN 'counter' ELSE 'online' END, 'copies', 1 + i %% 3, 'ratio', (i %% 100) / 8.0),
    CASE WHEN i %% 4 = 0 THEN ARRAY['mot-cua'] WHEN i %% 9 = 0 THEN ARRAY[]::varchar[]
        ELSE ARRAY['truc-tuyen', 'nam-' || 2023 + i %% 4] END,
    w.statuses[1 + i %% cardinality(w.statuses)]::dossier_status, p.fee, p.postal_return,
    timestamptz '2023-01-03 07:30:00+07' + i * interval '372 seconds' * %s
FROM generate_series(1, %s) AS i, w, procedures_procedurepage p
WHERE p.page_ptr_id = w.online[1 + i * 31 %% cardinality(w.online)]
ORDER BY i
"""

# Received, taken up, and for the most part an end: two or three rows a dossier.
_EVENTS = """
INSERT INTO dossiers_statusevent (dossier_id, status, note, officer_id, at)
SELECT d.id, e.status::dossier_status, e.note,
    CASE WHEN e.step > 1 THEN (%s::int[])[(1 + d.id %% %s)::int] END,
    d.submitted_at + (e.step - 1) * (interval '1 day' + (d.id %% 97) * interval '11 minutes')
FROM dossiers_dossier d, LATERAL (VALUES
    (1, 'received', 'Tiếp nhận hồ sơ'),
    (2, CASE WHEN d.status = 'received' THEN NULL ELSE 'processing' END, 'Chuyển bộ phận chuyên môn'),
    (3, CASE WHEN d.status IN ('received', 'processing') THEN NULL ELSE d.status::text END, 'Cập nhật trạng thái')
) AS e (step, status, note)
WHERE e.status IS NOT NULL
ORDER BY d.id, e.step
"""

_PAYMENTS = """
INSERT INTO dossiers_payment (dossier_id, client_ref, amount, reference, created_at, settled_at)
SELECT id, md5('payment ' || id)::uuid, fee, 'TT-' || number, submitted_at + interval '5 minutes',
    submitted_at + interval '6 minutes'
FROM dossiers_dossier WHERE fee > 0 AND id %% 2 = 0 ORDER BY id
"""

_LOG = """
INSERT INTO access_log (at, action, number, detail, reviewed)
SELECT submitted_at, 'file', number, jsonb_build_object('address', '198.51.100.' || id %% 200), id %% 5 <> 0
FROM dossiers_dossier WHERE id <= %s
"""

_RECEIPTS = """
INSERT INTO dossiers_receipt (dossier_id, content, sha256, signed_at)
SELECT id, lo_from_bytea(0, content), encode(sha256(content), 'hex'), submitted_at + interval '7 minutes'
FROM (SELECT id, submitted_at, convert_to('BIÊN LAI ĐIỆN TỬ ' || number || E'\\n' || repeat('Chữ ký số '
    || md5(number) || E'\\n', (50 + id * 37 %% 400)::int), 'UTF8') AS content
    FROM dossiers_dossier WHERE fee > 0 ORDER BY id LIMIT %s) AS signed
"""


def fill(count, online, officers, receipts):
    """Make `count` dossiers with history, payments, receipts and log; the page ids `online` can be filed."""
    statuses = ["returned"] * 12 + ["finished"] * 4 + ["processing"] * 3 + ["refused", "addition", "received"]
    lists = (words.FAMILY, words.MIDDLE, words.GIVEN, words.STREETS, words.PLACES)
    texts = [json.dumps(each) for each in lists]
    with without_indexes(*_TABLES):
        stretch = 300_000 / count  # however many, they cover the same years
        execute(_DOSSIERS, [*texts, online, json.dumps(statuses), stretch, count])
        execute(_EVENTS, [officers, len(officers)])
        execute(_PAYMENTS)
    execute(_LOG, [min(count, 20_000)])
    execute(_RECEIPTS, [receipts])
    set_sequences(*_TABLES, "dossiers_receipt")
    execute("SELECT setval('dossier_number_seq', %s)", [count])
    execute("REFRESH MATERIALIZED VIEW dossier_statistics")
