"""Invents tickets, what was answered, and what changed, inside the database; few tickets are open."""

from django.db import connection

OPEN = 40

_SUBJECTS = (
    "Đèn đường hỏng trên tuyến đường ven biển",
    "Rác thải chưa được thu gom",
    "Nước sinh hoạt đục, có mùi",
    "Ổ gà gây nguy hiểm cho xe máy",
    "Tiếng ồn kéo dài sau 22 giờ",
    "Hồ sơ quá hạn trả kết quả",
    "Cây xanh ngã đổ chắn lối đi",
    "Lấn chiếm vỉa hè kinh doanh",
    "Mất sóng điện thoại tại thôn",
    "Cống thoát nước bị tắc",
)

_TICKETS = """
INSERT INTO helpdesk_ticket (id, title, created, modified, submitter_email, status, on_hold, description, resolution,
    priority, assigned_to_id, queue_id, secret_key)
SELECT i, (%s::text[])[1 + i %% 10] || ' (khu phố ' || 1 + i %% 90 || ')', t.at, t.at + interval '2 days',
    'nguoidan' || i %% 9000 || '@khanhhoa.example', CASE WHEN i > %s - %s THEN 1 + i %% 2 WHEN i %% 8 = 0 THEN 3
    WHEN i %% 50 = 1 THEN 5 ELSE 4 END, false,
    E'Kính gửi cơ quan chức năng,\\nTôi phản ánh: ' || lower((%s::text[])[1 + i %% 10]) || E'.\\nMong sớm được xử lý.',
    CASE WHEN i <= %s - %s THEN 'Đã kiểm tra thực tế và xử lý xong.' END,
    1 + i %% 5, (%s::int[])[1 + i %% %s], (%s::int[])[1 + i %% %s], md5('ticket ' || i)::uuid::text
FROM generate_series(1, %s) AS i,
    LATERAL (SELECT timestamptz '2023-02-01 08:00+07' + i * interval '4300 seconds' * %s AS at) AS t
ORDER BY i
"""

_FOLLOWUPS = """
INSERT INTO helpdesk_followup (date, title, comment, public, new_status, ticket_id, user_id)
SELECT t.created + f.step * interval '9 hours', f.title, f.comment, f.public, f.new_status, t.id,
    CASE WHEN f.step > 0 THEN t.assigned_to_id END
FROM helpdesk_ticket t, LATERAL (VALUES
    (0, 'Mở phản ánh', t.description, true, NULL::int),
    (1, 'Chuyển xử lý', 'Chuyển đơn vị phụ trách địa bàn.', false, NULL),
    (2, 'Đã xử lý', t.resolution, true, t.status)
) AS f (step, title, comment, public, new_status)
WHERE f.step = 0 OR (f.step = 1 AND t.id % 3 = 0) OR (f.step = 2 AND t.resolution IS NOT NULL)
ORDER BY t.id, f.step
"""

_CHANGES = """
INSERT INTO helpdesk_ticketchange (field, old_value, new_value, followup_id)
SELECT 'Trạng thái', 'Mở', CASE new_status WHEN 3 THEN 'Đã giải quyết' WHEN 5 THEN 'Trùng' ELSE 'Đã đóng' END, id
FROM helpdesk_followup WHERE new_status IS NOT NULL ORDER BY id
"""


def fill(count, queues, staff):
    """Make `count` tickets, the last OPEN of them open, with follow-ups and changes."""
    subjects = list(_SUBJECTS)
    stretch = 25_000 / count
    parameters = [subjects, count, OPEN, subjects, count, OPEN, staff, len(staff), queues, len(queues), count, stretch]
    with connection.cursor() as cursor:
        cursor.execute(_TICKETS, parameters)
        cursor.execute(_FOLLOWUPS)
        cursor.execute(_CHANGES)
        cursor.execute("SELECT setval(pg_get_serial_sequence('helpdesk_ticket', 'id'), %s)", [count])
