"""Words of a ticket's state in Vietnamese; by number, as the two helpdesk releases word them differently."""

from django import template

register = template.Library()

_STATUS = {1: "Mới tiếp nhận", 2: "Mở lại", 3: "Đã giải quyết", 4: "Đã đóng", 5: "Trùng nội dung"}
_TITLES = {"Ticket Opened": "Mở phản ánh", "Ticket Escalated": "Nâng mức ưu tiên"}


@register.filter
def ticket_status(number):
    """Return the status of a ticket as citizens read it."""
    return _STATUS.get(int(number), "Đang xử lý")


@register.filter
def followup_title(title):
    """Return what happened, also where helpdesk itself wrote it in English."""
    return _TITLES.get(title or "", title or "")
