"""Figures as Vietnamese readers write them; by no locale table, as those differ between Django's releases."""

from django import template

register = template.Library()


@register.filter
def thousands(number):
    """Return a whole number in groups of three: 25.000."""
    return f"{number:,}".replace(",", ".")
