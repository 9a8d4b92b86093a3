"""Addresses of the portal; the last pattern hands over to Wagtail's page tree."""

from django.urls import include, path
from dossiers import views
from wagtail import urls as wagtail_urls
from wagtail.admin import urls as wagtailadmin_urls

urlpatterns = [
    path("quan-tri/", include(wagtailadmin_urls)),
    path("nop-ho-so/<str:code>/", views.file_dossier, name="file"),
    path("ho-so/<str:number>/", views.dossier, name="dossier"),
    path("ho-so/<str:number>/thanh-toan/", views.pay, name="pay"),
    path("tra-cuu/", views.look_up, name="look-up"),
    path("thong-ke/", views.statistics, name="statistics"),
    path("bien-lai/<str:number>/", views.receipt, name="receipt"),
    path("tep/<path:name>", views.uploaded_file, name="uploaded-file"),
    path("", include(wagtail_urls)),
]
