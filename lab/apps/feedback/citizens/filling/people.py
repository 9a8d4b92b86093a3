"""Invents queues and staff; none of them can log in until somebody sets a password."""

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.core.management import call_command
from helpdesk.models import Queue

QUEUES = (
    ("Hạ tầng, giao thông", "hatang", 3),
    ("Môi trường, vệ sinh", "moitruong", 5),
    ("Thủ tục hành chính", "thutuc", 3),
    ("An ninh trật tự", "anninh", 1),
    ("Điện, nước, viễn thông", "diennuoc", None),
    ("Y tế, giáo dục", "ytegiaoduc", None),
)
STAFF = 40


def fill():
    """Make letters, queues and staff; return the ids of queues and staff."""
    # Helpdesk's own letters, which its installation loads too; without them each job complains once a ticket.
    call_command("loaddata", "emailtemplate.json", verbosity=0)
    queues = [
        Queue.objects.create(
            title=title,
            slug=slug,
            locale="vi",
            allow_public_submission=True,
            escalate_days=days,
            enable_notifications_on_email_events=False,
        )
        for title, slug, days in QUEUES
    ]
    group = Group.objects.create(name="Cán bộ tiếp nhận phản ánh")
    locked = make_password(None)
    user_model = get_user_model()
    staff = [
        user_model.objects.create(
            username=f"tiepnhan{index:02d}",
            password=locked,
            email=f"tiepnhan{index:02d}@khanhhoa.example",
            is_staff=True,
            is_superuser=index == 0,
        )
        for index in range(STAFF)
    ]
    group.user_set.add(*staff)
    return [queue.pk for queue in queues], [user.pk for user in staff]
