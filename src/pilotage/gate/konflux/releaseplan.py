"""ReleasePlan: what the tenant releases for one platform, and never by itself.

`auto-release: "false"` as a label, because its absence already means true: integration-service would release every push untested. The
admission is named by label, because all platforms share application, origin and target, and a search would find several.
"""

from __future__ import annotations

from typing import Any, Final

from pilotage.api.konflux import (
    AUTO_RELEASE_LABEL,
    RELEASE_PLAN,
    RELEASE_PLAN_ADMISSION_LABEL,
    STANDING_ATTRIBUTION_LABEL,
)
from pilotage.api.meta import ObjectKey
from pilotage.gate.konflux.target import Target, manifest

__all__ = ["GRACE_DAYS", "release_plan"]

GRACE_DAYS: Final = 90
"""How long Releases are kept; Konflux keeps them for 7 days unless told."""


def release_plan(target: Target) -> dict[str, Any]:
    """`hypershift-operator-ho-release-gate-<platform>`."""
    return manifest(
        RELEASE_PLAN,
        ObjectKey(target.spec.tenant_namespace, target.names.release_plan),
        labels=target.labels(
            **{
                AUTO_RELEASE_LABEL: "false",
                RELEASE_PLAN_ADMISSION_LABEL: target.names.admission,
                STANDING_ATTRIBUTION_LABEL: "true",
            }
        ),
        spec=target.owner | {"target": target.spec.managed_namespace, "releaseGracePeriodDays": GRACE_DAYS},
    )
