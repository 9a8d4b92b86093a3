"""What citizens do: file, pay, look up; each writing view answers only after its transaction, by redirect."""

import hashlib
import json
import mimetypes
import uuid

from django.core.exceptions import SuspiciousOperation
from django.core.files.storage import default_storage
from django.db import connection
from django.http import FileResponse, Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from procedures.models import ProcedurePage

from dossiers.forms import DossierForm, PaymentForm
from dossiers.models import Attachment, Dossier, Notice, Payment, Status, StatusEvent, next_number


def file_dossier(request, code):
    """Show the form, or take a filing in: dossier, first event, its notice, attachment and log in one transaction."""
    procedure = get_object_or_404(ProcedurePage.objects.live(), code=code, level__gte=3)
    form = DossierForm(request.POST or None, request.FILES or None, initial={"client_ref": uuid.uuid4()})
    if request.method == "POST" and form.is_valid():
        dossier = _take_in(procedure, form.cleaned_data)
        return _see_other(reverse("dossier", args=[dossier.number]))
    return render(
        request,
        "file.html",
        {"procedure": procedure, "form": form},
        status=400 if request.method == "POST" else 200,
    )


def _take_in(procedure, given):
    dossier = Dossier.objects.create(
        number=next_number(),
        client_ref=given["client_ref"],
        procedure=procedure,
        applicant_name=given["applicant_name"],
        applicant_phone=given["applicant_phone"],
        applicant_email=given["applicant_email"],
        address=given["address"],
        form={"note": given["note"], "channel": "online"},
        tags=["truc-tuyen", procedure.sector.slug],
        fee=procedure.fee,
        postal_return=procedure.postal_return,
    )
    event = StatusEvent.objects.create(dossier=dossier, status=Status.RECEIVED, note="Tiếp nhận trực tuyến")
    Notice.objects.create(dossier=dossier, event=event)
    if given["attachment"]:
        _keep(dossier, given["attachment"])
    _log("file", dossier.number, {"procedure": procedure.code})
    return dossier


def _keep(dossier, uploaded):
    digest = hashlib.sha256()
    for chunk in uploaded.chunks():
        digest.update(chunk)
    uploaded.seek(0)
    Attachment.objects.create(
        dossier=dossier, file=uploaded, name=uploaded.name, sha256=digest.hexdigest(), size=uploaded.size
    )


def dossier(request, number):
    """Show a dossier's state, history and attachments."""
    found = get_object_or_404(Dossier.objects.select_related("procedure"), number=number)
    return render(
        request,
        "dossier.html",
        {
            "dossier": found,
            "events": found.events.all(),
            "attachments": found.attachments.all(),
            "payments": found.payments.all(),
            "payment_form": PaymentForm(initial={"client_ref": uuid.uuid4()}),
            "due": found.fee > 0 and not found.payments.exists(),
        },
    )


def pay(request, number):
    """Take a payment in; the reconciliation job settles it later."""
    if request.method != "POST":
        return redirect("dossier", number=number)
    found = get_object_or_404(Dossier, number=number)
    form = PaymentForm(request.POST)
    if not form.is_valid() or found.fee <= 0:
        return render(request, "message.html", {"message": "Không thể nhận khoản thanh toán này."}, status=400)
    reference = f"TT-{found.number}"
    Payment.objects.create(
        dossier=found, client_ref=form.cleaned_data["client_ref"], amount=found.fee, reference=reference
    )
    _log("pay", found.number, {"amount": found.fee})
    return _see_other(reverse("dossier", args=[found.number]) + "?thanh-toan=da-nhan")


def look_up(request):
    """Find a dossier by its number."""
    number = request.GET.get("so", "").strip().upper()
    if not number:
        return render(request, "look_up.html", {"number": ""})
    if Dossier.objects.filter(number=number).exists():
        return redirect("dossier", number=number)
    return render(request, "look_up.html", {"number": number}, status=404)


def statistics(request):
    """Show the materialised statistics: as old as their last refresh."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sector, status::text, dossiers FROM dossier_statistics ORDER BY sector, status")
        rows = cursor.fetchall()
    labels = dict(Status.choices)
    table = {}
    for sector, status, count in rows:
        table.setdefault(sector, {})[status] = count
    lines = [(sector, [counts.get(status, 0) for status in labels]) for sector, counts in table.items()]
    return render(request, "statistics.html", {"statuses": labels.values(), "lines": lines})


def receipt(request, number):
    """Hand out a signed receipt, which is a large object of the database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT lo_get(r.content), r.sha256 FROM dossiers_receipt r"
            " JOIN dossiers_dossier d ON d.id = r.dossier_id WHERE d.number = %s",
            [number],
        )
        row = cursor.fetchone()
    if row is None:
        raise Http404("không có biên lai")
    content, sha256 = bytes(row[0]), row[1]
    if hashlib.sha256(content).hexdigest() != sha256:
        return HttpResponse("Biên lai không toàn vẹn.\n", status=500, content_type="text/plain; charset=utf-8")
    return HttpResponse(content, content_type="text/plain; charset=utf-8")


def uploaded_file(request, name):
    """Stream an upload from wherever uploads live."""
    attachment = get_object_or_404(Attachment, file=name)
    try:
        content = default_storage.open(attachment.file.name)
    except (FileNotFoundError, SuspiciousOperation) as missing:
        raise Http404("không có tệp") from missing
    guessed = mimetypes.guess_type(attachment.name)[0] or "application/octet-stream"
    return FileResponse(content, as_attachment=True, filename=attachment.name, content_type=guessed)


def _see_other(address):
    answer = HttpResponseRedirect(address)
    answer.status_code = 303
    return answer


def _log(action, number, detail):
    """Write to the access log, which has no primary key, as old tables have none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO access_log (at, action, number, detail, reviewed) VALUES (now(), %s, %s, %s::jsonb, false)",
            [action, number, json.dumps(detail, ensure_ascii=False)],
        )
