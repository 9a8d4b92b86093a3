"""The citizens' reply and their files; the newer helpdesk lets only staff reply, so the form is the province's own."""

import mimetypes

from django import forms
from django.core.exceptions import SuspiciousOperation
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from helpdesk.lib import process_attachments
from helpdesk.models import FollowUp, FollowUpAttachment, Ticket
from helpdesk.validators import validate_file_extension

REPLY_TITLE = "Ý kiến bổ sung của người gửi"


class ReplyForm(forms.Form):
    mail = forms.EmailField(widget=forms.HiddenInput)
    key = forms.CharField(widget=forms.HiddenInput)
    comment = forms.CharField(label="Ý kiến bổ sung", strip=False, widget=forms.Textarea)
    attachment = forms.FileField(label="Tệp đính kèm", required=False, validators=[validate_file_extension])


def reply(request, ticket_id):
    """Add a citizen's reply to the ticket whose address and key they know."""
    if request.method != "POST":
        return HttpResponseRedirect("/")
    form = ReplyForm(request.POST, request.FILES)
    ticket = get_object_or_404(
        Ticket, pk=ticket_id, submitter_email__iexact=request.POST.get("mail"), secret_key=request.POST.get("key")
    )
    if not form.is_valid():
        return render(request, "reply.html", {"form": form, "ticket": ticket}, status=400)
    followup = FollowUp.objects.create(
        ticket=ticket, date=timezone.now(), title=REPLY_TITLE, comment=form.cleaned_data["comment"], public=True
    )
    process_attachments(followup, [file for file in [form.cleaned_data["attachment"]] if file])
    ticket.save()
    known = urlencode({"ticket": ticket.ticket_for_url, "email": ticket.submitter_email, "key": ticket.secret_key})
    answer = HttpResponseRedirect(f"{reverse('helpdesk:public_view')}?{known}#y-kien-{followup.pk}")
    answer.status_code = 303
    return answer


def uploaded_file(request, name):
    """Stream an upload; its path holds the ticket's key, so only who knows the ticket can ask for it."""
    attachment = get_object_or_404(FollowUpAttachment, file=name)
    try:
        content = default_storage.open(attachment.file.name)
    except (FileNotFoundError, SuspiciousOperation) as missing:
        raise Http404("không có tệp") from missing
    guessed = mimetypes.guess_type(attachment.filename)[0] or "application/octet-stream"
    return FileResponse(content, as_attachment=True, filename=attachment.filename, content_type=guessed)
