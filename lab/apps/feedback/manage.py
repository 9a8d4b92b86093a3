#!/usr/bin/env python
"""Run Django's commands for the feedback system; it holds no logic of its own."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "feedback.settings")
    execute_from_command_line(sys.argv)
