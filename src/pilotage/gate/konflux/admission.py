"""ReleasePlanAdmission: what release engineering admits for one platform, and under which tags.

The canonical tag first: platform and digest, so it can name no other image. Then the aliases that the Gate wants. The managed pipeline
is that of konflux-ci/release-service-catalog; it copies by digest and evaluates the policy.
"""

from __future__ import annotations

from typing import Any, Final

from pilotage.api.gate import GateSpec
from pilotage.api.konflux import BLOCK_RELEASES_LABEL, RELEASE_PLAN_ADMISSION
from pilotage.api.meta import ObjectKey
from pilotage.gate.konflux.target import Target, manifest

__all__ = ["admission", "tag_templates"]

_POLICY: Final = "app-interface-standard"
_PIPELINE: Final = "rh-push-to-external-registry"
_CATALOG: Final = {
    "url": "https://github.com/konflux-ci/release-service-catalog.git",
    "revision": "production",  # the branch that release engineering allows as a source
    "pathInRepo": f"pipelines/managed/{_PIPELINE}/{_PIPELINE}.yaml",
}
_ACCOUNT: Final = "release-app-interface-prod"
_TIMEOUT: Final = "4h0m0s"
_ALIASES: Final = {"latest": "latest", "sha": "{{ git_sha }}", "short-sha": "{{ git_short_sha }}"}


def admission(target: Target) -> dict[str, Any]:
    """`redhat-hypershift-operator-ho-release-gate-<platform>`, in the managed namespace."""
    spec = target.spec
    mapping = {
        "components": [{"name": spec.component, "repositories": [{"url": spec.verified_repository}]}],
        "defaults": {"tags": list(tag_templates(spec)), "pushSourceContainer": False},
    }
    return manifest(
        RELEASE_PLAN_ADMISSION,
        ObjectKey(spec.managed_namespace, target.names.admission),
        labels=target.labels(**{BLOCK_RELEASES_LABEL: "false"}),
        spec={f"{name}s": [value] for name, value in target.owner.items()}
        | {
            "origin": spec.tenant_namespace,
            "policy": _POLICY,
            "data": {"mapping": mapping},
            "pipeline": {
                "pipelineRef": {
                    "resolver": "git",
                    "params": [{"name": name, "value": value} for name, value in _CATALOG.items()],
                },
                "serviceAccountName": _ACCOUNT,
                "timeouts": {"pipeline": _TIMEOUT, "tasks": _TIMEOUT},
            },
        },
    )


def tag_templates(spec: GateSpec) -> tuple[str, ...]:
    """In the words of the managed pipeline; the canonical tag comes first."""
    aliases = (_ALIASES[name] for name in dict.fromkeys(spec.aliases))
    return tuple(f"{spec.platform}-{tag}" for tag in ("{{ digest_sha }}", *aliases))
