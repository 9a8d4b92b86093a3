"""How each kind of write is found again by its references, one query a kind; these only read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# Each query: client_ref, number, the fields that were hashed as JSON, attachments as JSON [{path, name}].
_DOSSIERS: Final = """
SELECT d.client_ref::text, d.number, jsonb_build_object('procedure', p.code, 'applicant_name', d.applicant_name,
    'applicant_phone', d.applicant_phone::text, 'applicant_email', d.applicant_email, 'address', d.address,
    'note', d.form ->> 'note') AS fields,
  coalesce((SELECT jsonb_agg(jsonb_build_object('path', a.file, 'name', a.name))
    FROM dossiers_attachment a WHERE a.dossier_id = d.id), '[]') AS attachments
FROM dossiers_dossier d JOIN procedures_procedurepage p ON p.page_ptr_id = d.procedure_id
WHERE d.client_ref = ANY (%(references)s::uuid[])
"""
_PAYMENTS: Final = """
SELECT p.client_ref::text, d.number, jsonb_build_object('number', d.number, 'amount', p.amount::text) AS fields,
  '[]'::jsonb AS attachments
FROM dossiers_payment p JOIN dossiers_dossier d ON d.id = p.dossier_id
WHERE p.client_ref = ANY (%(references)s::uuid[])
"""
_TICKETS: Final = r"""
SELECT r.client_ref, t.id::text AS number, jsonb_build_object('title', t.title, 'body', t.description,
    'submitter_email', t.submitter_email, 'queue', t.queue_id::text) AS fields,
  coalesce((SELECT jsonb_agg(jsonb_build_object('path', a.file, 'name', a.filename))
    FROM helpdesk_followupattachment a JOIN helpdesk_followup f ON f.id = a.followup_id
    WHERE f.ticket_id = t.id AND f.comment !~ '\[ref:[0-9a-f-]{36}\]'), '[]') AS attachments
FROM helpdesk_ticket t, LATERAL (SELECT substring(t.title FROM '\[ref:([0-9a-f-]{36})\]') AS client_ref) r
WHERE r.client_ref = ANY (%(references)s)
"""
_REPLIES: Final = r"""
SELECT r.client_ref, f.id::text AS number,
  jsonb_build_object('ticket', f.ticket_id::text, 'comment', f.comment) AS fields,
  coalesce((SELECT jsonb_agg(jsonb_build_object('path', a.file, 'name', a.filename))
    FROM helpdesk_followupattachment a WHERE a.followup_id = f.id), '[]') AS attachments
FROM helpdesk_followup f, LATERAL (SELECT substring(f.comment FROM '\[ref:([0-9a-f-]{36})\]') AS client_ref) r
WHERE r.client_ref = ANY (%(references)s)
"""
QUERIES: Final[Mapping[str, Mapping[str, str]]] = {
    "portal": {"dossier": _DOSSIERS, "payment": _PAYMENTS},
    "feedback": {"ticket": _TICKETS, "reply": _REPLIES},
}
