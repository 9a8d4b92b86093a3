"""Addresses of the feedback system: a reply form of the province's own, all else is helpdesk's."""

from citizens import views
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("quan-tri/", admin.site.urls),
    path("tra-loi/<int:ticket_id>/", views.reply, name="reply"),
    path("tep/<path:name>", views.uploaded_file, name="uploaded-file"),
    path("", include("helpdesk.urls", namespace="helpdesk")),
]
