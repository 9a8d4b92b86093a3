"""The web application as gunicorn loads it, warmed before the first citizen comes."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "feedback.settings")
application = get_wsgi_application()

from feedback.warm import warm  # noqa: E402  the settings must be known first

warm()
