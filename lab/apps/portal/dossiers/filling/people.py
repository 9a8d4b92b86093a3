"""Invents the staff: officers in groups, none of whom can log in until somebody sets a password."""

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group

from dossiers.filling import words

OFFICERS = 120


def fill():
    """Make groups and officers; return the officers' ids."""
    groups = [Group.objects.get_or_create(name=name)[0] for name in words.GROUPS]
    user_model = get_user_model()
    locked = make_password(None)
    officers = user_model.objects.bulk_create(
        user_model(
            username=f"canbo{index:03d}",
            password=locked,
            last_name=words.FAMILY[index % len(words.FAMILY)],
            first_name=f"{words.MIDDLE[index % len(words.MIDDLE)]} {words.GIVEN[index % len(words.GIVEN)]}",
            email=f"canbo{index:03d}@khanhhoa.example",
            is_staff=index % 10 == 0,
            is_superuser=index == 0,
        )
        for index in range(OFFICERS)
    )
    for index, group in enumerate(groups):
        group.user_set.add(*officers[index :: len(groups)])
    return [officer.pk for officer in officers]
