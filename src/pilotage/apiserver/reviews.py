"""Who am I, and what may I do? There is one user here, and that user may do everything.

What `kubectl auth whoami` and `kubectl auth can-i` ask. Reviews are answered and not kept.
"""

from __future__ import annotations

from collections.abc import Mapping

from pilotage.api.meta import Kind
from pilotage.apiserver import bodies
from pilotage.apiserver.answer import Answer
from pilotage.apiserver.negotiation import chosen
from pilotage.apiserver.refusals import forbidden_method
from pilotage.apiserver.rendering import encoded
from pilotage.apiserver.requests import Request
from pilotage.store.embedded.metadata import invalid
from pilotage.store.schema.problems import invalid_text

__all__ = ["GROUPS", "answer"]

GROUPS = ("system:masters", "system:authenticated")
_AUTHENTICATION, _AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"
_REVIEWS: Mapping[str, Kind] = {
    f"/apis/{group}/v1/{plural}": Kind(group, "v1", kind, plural, namespaced=False)
    for group, kind, plural in (
        (_AUTHENTICATION, "SelfSubjectReview", "selfsubjectreviews"),
        (_AUTHORIZATION, "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
        (_AUTHORIZATION, "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
    )
}
_EVERYTHING = {
    "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
    "incomplete": False,
}


def answer(request: Request) -> Answer | None:
    """None for a path that is no review's. Raises RefusalError, InvalidObjectError."""
    kind = _REVIEWS.get(request.path.rstrip("/"))
    if kind is None:
        return None
    if request.method != "POST":
        raise forbidden_method()
    form = chosen(request.accept, request.query, request.agent)
    sent = bodies.read_review(kind, request.content_type, request.body)
    spec = sent.get("spec") or {}
    body = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": {}}
    if kind.plural == "selfsubjectreviews":
        body["status"] = {"userInfo": {"username": request.user, "groups": list(GROUPS)}}
    elif kind.plural == "selfsubjectrulesreviews":
        body |= {"spec": spec, "status": _EVERYTHING}
    else:
        if bool(spec.get("resourceAttributes")) == bool(spec.get("nonResourceAttributes")):
            why = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
            problem = invalid_text("spec.resourceAttributes", "null", why)
            raise invalid(Kind(kind.group, "v1", "", ""), "", [problem])
        body |= {"spec": spec, "status": {"allowed": True, "reason": "the one user here may do everything"}}
    return Answer(encoded(body, form), form.media, status=201)
