"""Who am I, who is that, and what may they do? There is one user here, and that user may do everything.

What `kubectl auth whoami` and `kubectl auth can-i` ask, and what other servers ask about who calls them: whose token is this
(`TokenReview`), and may that user do this (`SubjectAccessReview`)? Reviews are answered and not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pilotage.api.meta import Kind
from pilotage.apiserver import bodies
from pilotage.apiserver.answer import Answer
from pilotage.apiserver.negotiation import chosen
from pilotage.apiserver.refusals import RefusalError, bad_request, forbidden_method
from pilotage.apiserver.rendering import encoded
from pilotage.apiserver.requests import Request
from pilotage.store.embedded.metadata import invalid
from pilotage.store.schema.gotext import json_type, quoted
from pilotage.store.schema.problems import Problem, invalid_text

__all__ = ["GROUPS", "answer"]

GROUPS = ("system:masters", "system:authenticated")
_AUTHENTICATION, _AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"
_REVIEWS: Mapping[str, Kind] = {
    f"/apis/{group}/v1/{plural}": Kind(group, "v1", kind, plural, namespaced=False)
    for group, kind, plural in (
        (_AUTHENTICATION, "SelfSubjectReview", "selfsubjectreviews"),
        (_AUTHENTICATION, "TokenReview", "tokenreviews"),
        (_AUTHORIZATION, "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
        (_AUTHORIZATION, "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
        (_AUTHORIZATION, "SubjectAccessReview", "subjectaccessreviews"),
    )
}
_ALLOWED = {"allowed": True, "reason": "the one user here may do everything"}
_EVERYTHING = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "incomplete": False,
}


def answer(request: Request, knows: Callable[[str], bool]) -> Answer | None:
    """None for a path that is no review's. `knows`: is a token the user's? Raises RefusalError, InvalidObjectError."""
    kind = _REVIEWS.get(request.path.rstrip("/"))
    if kind is None:
        return None
    if request.method != "POST":
        raise forbidden_method()
    form = chosen(request.accept, request.query, request.agent)
    sent = bodies.read_review(kind, request.content_type, request.body)
    spec = sent.get("spec") or {}
    body = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": {}}
    match kind.plural:
        case "selfsubjectreviews":
            body["status"] = {"userInfo": _user(request)}
        case "tokenreviews":
            body |= {"spec": spec, "status": _token_status(request, kind, spec, knows)}
        case "selfsubjectrulesreviews":
            body |= {"spec": spec, "status": _EVERYTHING}
        case "selfsubjectaccessreviews":
            _check(kind, _attribute_problems(spec))
            body |= {"spec": spec, "status": _ALLOWED}
        case "subjectaccessreviews":
            user, groups = _text(kind, spec, "user"), _texts(kind, spec, "groups")
            problems = _attribute_problems(spec)
            if not user and not groups:
                why = "at least one of user or group must be specified"
                problems.append(invalid_text("spec.user", '""', why))
            _check(kind, problems)
            is_allowed = user == request.user or GROUPS[0] in groups
            body |= {"spec": spec, "status": _ALLOWED if is_allowed else {"allowed": False}}
    return Answer(encoded(body, form), form.media, status=201)


def _user(request: Request) -> dict[str, Any]:
    return {"username": request.user, "groups": list(GROUPS)}


def _token_status(
    request: Request, kind: Kind, spec: Mapping[str, Any], knows: Callable[[str], bool]
) -> dict[str, Any]:
    token = _text(kind, spec, "token")
    if not token:
        raise bad_request("token is required for TokenReview in authentication")
    if not knows(token):
        return {"user": {}, "error": "invalid bearer token"}
    return {"authenticated": True, "user": _user(request)}


def _attribute_problems(spec: Mapping[str, Any]) -> list[Problem]:
    if bool(spec.get("resourceAttributes")) != bool(spec.get("nonResourceAttributes")):
        return []
    why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
    return [invalid_text("spec.resourceAttributes", "null", why)]


def _check(kind: Kind, problems: list[Problem]) -> None:
    if problems:
        raise invalid(Kind(kind.group, "v1", "", ""), "", problems)


def _text(kind: Kind, spec: Mapping[str, Any], name: str) -> str:
    found = spec.get(name) or ""
    if not isinstance(found, str):
        raise _ill_typed(kind, name, found)
    return found


def _texts(kind: Kind, spec: Mapping[str, Any], name: str) -> list[str]:
    found = spec.get(name) or []
    if not isinstance(found, list):
        raise _ill_typed(kind, name, found)
    for each in found:
        if not isinstance(each, str):
            raise _ill_typed(kind, name, each)
    return found


def _ill_typed(kind: Kind, name: str, found: Any) -> RefusalError:
    return bad_request(
        f"{kind.kind} in version {quoted(kind.version)} cannot be handled as a {kind.kind}: json: cannot unmarshal"
        f" {json_type(found)} into Go struct field {kind.kind}Spec.spec.{name} of type string"
    )
