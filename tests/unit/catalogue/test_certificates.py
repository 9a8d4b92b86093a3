"""When a certificate may be renewed, as the province's file says it; kept here where no webhook keeps it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from catalogue.province import Certificates


def read(**given: str) -> Certificates:
    return Certificates.model_validate({"issuer": {"name": "authority"}, **given})


def test_only_who_signs_must_be_said() -> None:
    found = read()
    assert (found.issuer.kind, found.duration, found.renew_before, found.namespace) == (
        *("Issuer", "90d", "30d", "cert-manager"),
    )


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"duration": "119m", "renew_before": "1h"}, "lives two hours at least"),
        ({"renew_before": "59m"}, "an hour before its end at least"),
        ({"duration": "30d"}, "renewed 30d before its end"),
        ({"duration": "2h", "renew_before": "3h"}, "renewed 3h before its end"),
        ({"duration": "soon"}, "pattern"),
        ({"namespace": "Certificates"}, "pattern"),
    ],
)
def test_what_could_never_be_renewed_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        read(**given)


def test_the_shortest_of_which_the_alert_comes_before_the_end_is_taken() -> None:
    assert read(duration="2h", renew_before="1h").renew_before == "1h"
