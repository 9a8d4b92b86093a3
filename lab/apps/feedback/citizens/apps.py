"""What citizens need beyond helpdesk's own pages as an application; it has no tables."""

from django.apps import AppConfig


class CitizensConfig(AppConfig):
    name = "citizens"
    verbose_name = "Người dân"
