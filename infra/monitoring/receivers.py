"""Who hears of an alert: alertmanager.yml. Without a receiver, alerts are kept and can be asked for; pure."""

from __future__ import annotations

from typing import Any, Final

from infra.config import Settings

Document = dict[str, Any]
_PEOPLE: Final = "people"


def file(settings: Settings) -> Document:
    """Return the file; it holds no secret, because whoever may look at ConfigMaps reads it."""
    receiver: Document = {"name": _PEOPLE}
    if settings.alert_webhook:
        receiver["webhook_configs"] = [{"url": settings.alert_webhook, "send_resolved": True}]
    return {
        "route": {
            "receiver": _PEOPLE,
            "group_by": ["alertname", "system"],
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "4h",
            "routes": [{"matchers": ['severity="ticket"'], "receiver": _PEOPLE, "repeat_interval": "24h"}],
        },
        # Whoever was called for the fast fire need not be called for the slow one.
        "inhibit_rules": [
            {
                "source_matchers": ['alertname="ErrorBudgetBurnsFast"'],
                "target_matchers": ['alertname=~"ErrorBudgetBurns|ErrorBudgetWears"'],
                "equal": ["system"],
            }
        ],
        "receivers": [receiver],
    }
