"""Who may do what in the tenant's namespace: five accounts with the least rights, and policies for what rights cannot say.

    nightly-promotion-sa  puts the label on Snapshots
    gate-runner           runs the tests; of Konflux it writes nothing
    gate-releaser         creates Releases, by `taskRunSpecs` in one task only
    gate-notifier         tells people what the ledger says
    gate-stale            tells people when nothing happens

All keep the ledger, whose objects are ConfigMaps: whoever tells somebody notes that it was told, or it would be told again every hour.
Nobody knows their names beforehand, so rights on ConfigMaps cannot be limited to names; a policy does that for writes. Nor can
rights say *which* fields of a Snapshot are patched: another policy lets the trigger change only the run label and two
annotations. Policies belong to the cluster, so they are for its administrators to apply, or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from pilotage.api.core import CONFIG_MAP
from pilotage.api.konflux import (
    BLOCKED_ANNOTATION,
    KEEP_SNAPSHOT_ANNOTATION,
    RELEASE,
    RUN_LABEL,
    SNAPSHOT,
)
from pilotage.api.meta import Kind, ObjectKey
from pilotage.gate.konflux.steps import ACCOUNTS, NOTIFIER, RELEASER, RUNNER, STALE, TRIGGER
from pilotage.gate.konflux.target import manifest

__all__ = ["RIGHTS", "account", "policies"]

_RBAC: Final = "rbac.authorization.k8s.io"
_ACCOUNT: Final = Kind("", "v1", "ServiceAccount", "serviceaccounts")
_ROLE: Final = Kind(_RBAC, "v1", "Role", "roles")
_BINDING: Final = Kind(_RBAC, "v1", "RoleBinding", "rolebindings")
_ADMISSION: Final = "admissionregistration.k8s.io"
_POLICY: Final = Kind(
    _ADMISSION, "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", namespaced=False
)
_POLICY_BINDING: Final = Kind(
    _ADMISSION,
    "v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    namespaced=False,
)


_LEDGER: Final = (CONFIG_MAP, ("get", "list", "create", "patch"))

RIGHTS: Final[dict[str, tuple[tuple[Kind, tuple[str, ...]], ...]]] = {
    TRIGGER: ((SNAPSHOT, ("get", "list", "watch", "patch")), _LEDGER),
    RUNNER: (_LEDGER,),
    RELEASER: ((RELEASE, ("get", "list", "watch", "create")), (SNAPSHOT, ("get",)), _LEDGER),
    NOTIFIER: ((RELEASE, ("get", "list")), _LEDGER),
    STALE: ((RELEASE, ("get", "list")), (SNAPSHOT, ("get", "list")), _LEDGER),
}
"""Verbs by account and kind. No account may read a Secret: those are mounted by the kubelet."""


def account(namespace: str, name: str) -> list[dict[str, Any]]:
    """An account with its Role and RoleBinding."""
    key = ObjectKey(namespace, name)
    rules = [
        {"apiGroups": [kind.group], "resources": [kind.plural], "verbs": list(verbs)}
        for kind, verbs in RIGHTS[name]
    ]
    return [
        manifest(_ACCOUNT, key),
        manifest(_ROLE, key, rules=rules),
        manifest(
            _BINDING,
            key,
            roleRef={"apiGroup": _RBAC, "kind": _ROLE.kind, "name": name},
            subjects=[{"kind": _ACCOUNT.kind, "name": name, "namespace": namespace}],
        ),
    ]


def policies(namespace: str) -> dict[str, list[dict[str, Any]]]:
    """By what they guard: `snapshots` and `ledger`, each a policy with its binding."""
    return {
        "snapshots": _policy(
            f"gate-snapshots.{namespace}",
            namespace,
            SNAPSHOT,
            ("UPDATE",),
            (TRIGGER,),
            variables=_variables("labels") + _variables("annotations"),
            validations=[
                _rule("object.spec == oldObject.spec", "the gate's trigger may not change the spec of a Snapshot"),
                _rule(
                    " && ".join(
                        f"has(object.metadata.{field}) == has(oldObject.metadata.{field}) && "
                        f"(!has(object.metadata.{field}) || object.metadata.{field} == oldObject.metadata.{field})"
                        for field in ("finalizers", "ownerReferences")
                    ),
                    "the gate's trigger may not change finalizers or owners of a Snapshot",
                ),
                _only("labels", (RUN_LABEL,)),
                _only("annotations", (KEEP_SNAPSHOT_ANNOTATION, BLOCKED_ANNOTATION)),
            ],
        ),
        "ledger": _policy(
            f"gate-ledger.{namespace}",
            namespace,
            CONFIG_MAP,
            ("CREATE", "UPDATE", "DELETE"),
            ACCOUNTS,
            variables=[
                {"name": "name", "expression": "(object != null ? object : oldObject).metadata.name"},
                {"name": "tells", "expression": f"request.userInfo.username in [{_users(namespace, (NOTIFIER, STALE))}]"},
            ],
            validations=[
                _rule("variables.name.startsWith('gate-')",
                      "accounts of the gate write only ConfigMaps whose names begin with gate-"),
                _rule("!variables.tells || variables.name.startsWith('gate-note-') || variables.name.startsWith('gate-alert-')",
                      "whoever tells people writes down only what was told"),
            ],
        ),
    }  # fmt: skip


def _policy(
    name: str,
    namespace: str,
    kind: Kind,
    operations: Sequence[str],
    accounts: Sequence[str],
    *,
    variables: list[dict[str, str]],
    validations: list[dict[str, str]],
) -> list[dict[str, Any]]:
    users = _users(namespace, accounts)
    rule = {
        "apiGroups": [kind.group],
        "apiVersions": ["*"],
        "operations": list(operations),
        "resources": [kind.plural],
    }
    spec: dict[str, Any] = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": [{"name": "by-the-gate", "expression": f"request.userInfo.username in [{users}]"}],
        "validations": validations,
    }
    if variables:
        spec["variables"] = variables
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    return [
        manifest(_POLICY, ObjectKey("", name), spec=spec),
        manifest(
            _POLICY_BINDING,
            ObjectKey("", name),
            spec={
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": selector},
            },
        ),
    ]


def _users(namespace: str, accounts: Sequence[str]) -> str:
    """As items of a list in an expression."""
    return ", ".join(f"'system:serviceaccount:{namespace}:{each}'" for each in accounts)


def _variables(field: str) -> list[dict[str, str]]:
    """What stands there now and stood there before; an empty map when nothing does."""
    return [
        {
            "name": f"{when}_{field}",
            "expression": f"has({subject}.metadata.{field}) ? {subject}.metadata.{field} : {{}}",
        }
        for when, subject in (("new", "object"), ("old", "oldObject"))
    ]


def _only(field: str, keys: Sequence[str]) -> dict[str, str]:
    """Every entry but those under `keys` is as it was."""
    new, old = f"variables.new_{field}", f"variables.old_{field}"
    free = ", ".join(f"'{key}'" for key in keys)
    return _rule(
        f"{new}.all(k, k in [{free}] || (k in {old} && {new}[k] == {old}[k])) && "
        f"{old}.all(k, k in [{free}] || k in {new})",
        f"the gate's trigger may change only the {field} {' and '.join(keys)}",
    )


def _rule(expression: str, message: str) -> dict[str, str]:
    return {"expression": expression, "message": message}
