"""Who may do what, and what stands in the way of a request: roles, certificates, webhooks, policies, other API servers."""

from __future__ import annotations

from typing import Any

from pilotage.apiserver.printing.ages import duration
from pilotage.apiserver.printing.reading import (
    AGE,
    NAME,
    NONE,
    UNSET,
    Column,
    Printer,
    Value,
    age_of,
    at,
    listed,
    mapping,
    name_of,
    text,
    wide,
)

__all__ = ["PRINTERS"]

_RBAC = "rbac.authorization.k8s.io"
_ADMISSION = "admissionregistration.k8s.io"


def _binding(value: Value, now: float) -> list[Any]:
    subjects = listed(value, "subjects")
    role = mapping(value, "roleRef")
    return [
        name_of(value),
        f"{text(role, 'kind')}/{text(role, 'name')}",
        age_of(value, now),
        *(
            ", ".join(text(each, "name") for each in subjects if text(each, "kind") == kind)
            for kind in ("User", "Group")
        ),
        ", ".join(
            f"{text(each, 'namespace')}/{text(each, 'name')}"
            for each in subjects
            if text(each, "kind") == "ServiceAccount"
        ),
    ]


def _signing_request(value: Value, now: float) -> list[Any]:
    seconds = at(value, "spec", "expirationSeconds")
    return [
        name_of(value),
        age_of(value, now),
        text(value, "spec", "signerName", default=NONE),
        text(value, "spec", "username"),
        duration(seconds) if isinstance(seconds, int) else NONE,
        _signing_status(value),
    ]


def _signing_status(value: Value) -> str:
    types = {text(each, "type") for each in listed(value, "status", "conditions")}
    status = "Denied" if "Denied" in types else ("Approved" if "Approved" in types else "Pending")
    failed = ",Failed" if "Failed" in types else ""
    return f"{status}{failed}{',Issued' if text(value, 'status', 'certificate') else ''}"


def _webhooks(value: Value, now: float) -> list[Any]:
    return [name_of(value), len(listed(value, "webhooks")), age_of(value, now)]


def _policy(value: Value, now: float) -> list[Any]:
    kind = at(value, "spec", "paramKind")
    return [
        name_of(value),
        len(listed(value, "spec", "validations")),
        f"{text(kind, 'apiVersion')}/{text(kind, 'kind')}" if kind else UNSET,
        age_of(value, now),
    ]


def _policy_binding(value: Value, now: float) -> list[Any]:
    parameters = mapping(value, "spec", "paramRef")
    name = text(parameters, "name")
    told = f"{text(parameters, 'namespace', default='*')}/{name}" if name else UNSET
    return [name_of(value), text(value, "spec", "policyName"), told, age_of(value, now)]


def _api_service(value: Value, now: float) -> list[Any]:
    service = at(value, "spec", "service")
    conditions = listed(value, "status", "conditions")
    available = next((each for each in conditions if text(each, "type") == "Available"), None)
    status = "Unknown"
    if available is not None:
        status, reason = text(available, "status"), text(available, "reason")
        status = f"{status} ({reason})" if status != "True" and reason else status
    return [
        name_of(value),
        f"{text(service, 'namespace')}/{text(service, 'name')}" if service else "Local",
        status,
        age_of(value, now),
    ]


_BINDING = Printer((NAME, Column("Role"), AGE, *wide("Users", "Groups", "ServiceAccounts")), _binding)
_WEBHOOKS = Printer((NAME, Column("Webhooks", "integer"), AGE), _webhooks)

PRINTERS = {
    (_RBAC, "RoleBinding"): _BINDING,
    (_RBAC, "ClusterRoleBinding"): _BINDING,
    ("certificates.k8s.io", "CertificateSigningRequest"): Printer(
        (
            NAME,
            AGE,
            Column("SignerName"),
            Column("Requestor"),
            Column("RequestedDuration"),
            Column("Condition"),
        ),
        _signing_request,
    ),
    (_ADMISSION, "MutatingWebhookConfiguration"): _WEBHOOKS,
    (_ADMISSION, "ValidatingWebhookConfiguration"): _WEBHOOKS,
    (_ADMISSION, "ValidatingAdmissionPolicy"): Printer(
        (NAME, Column("Validations", "integer"), Column("ParamKind"), AGE), _policy
    ),
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): Printer(
        (NAME, Column("PolicyName"), Column("ParamRef"), AGE), _policy_binding
    ),
    ("apiregistration.k8s.io", "APIService"): Printer(
        (NAME, Column("Service"), Column("Available"), AGE), _api_service
    ),
}
