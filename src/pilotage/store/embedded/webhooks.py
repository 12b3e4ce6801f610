"""Asking webhooks: over HTTPS, one after the other when they may change the object, all at once when they only judge it.

A webhook is told an `admission.k8s.io/v1` AdmissionReview and answers with one. Its certificate must be signed by the `caBundle` of
its configuration, or by an authority that this machine trusts. A webhook that cannot be asked counts as one that allowed when its
`failurePolicy` is Ignore, and refuses the request otherwise. Texts follow `k8s.io/apiserver/pkg/admission/plugin/webhook`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import ssl
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import orjson

from pilotage.store.base import BadRequestError, InvalidObjectError
from pilotage.store.embedded.denials import DeniedError, WebhookError
from pilotage.store.embedded.events import as_version
from pilotage.store.embedded.hooks import Call, Hook
from pilotage.store.embedded.patching import json_patch
from pilotage.store.embedded.policies import evaluates
from pilotage.store.embedded.reviews import Attempt, Review, ReviewNeededError, ServiceAddress

__all__ = ["ask"]

_API = "admission.k8s.io/v1"
_INVALID = "received invalid webhook response: "
_LARGEST_ANSWER = 16 << 20


class _FailedError(Exception):
    """A webhook could not be asked, or said nothing that can be understood."""


async def ask(needed: ReviewNeededError, attempt: Attempt, address: ServiceAddress | None) -> None:
    """Ask everybody who wants to be asked, and note in `attempt` what they said.

    Raises DeniedError, WebhookError, BadRequestError.
    """
    review, calls = needed.review, needed.calls
    _check_dry_run(review, calls)
    if needed.readmit is None:
        await _judge(review, calls, attempt, address)
        attempt.allowed.add(needed.digest)
    else:
        attempt.mutated[needed.digest] = await _change(review, calls, attempt, address, needed.readmit)


def _check_dry_run(review: Review, calls: Sequence[Call]) -> None:
    for call in calls if review.is_dry_run else ():
        if call.hook.side_effects not in {"None", "NoneOnDryRun"}:
            raise BadRequestError(f'admission webhook "{call.hook.name}" does not support dry run')


async def _judge(
    review: Review, calls: Sequence[Call], attempt: Attempt, address: ServiceAddress | None
) -> None:
    async def one(call: Call) -> list[str]:
        answer = await _asked(call, review, review.value, address)
        try:
            return _judged(call.hook, answer)
        except _FailedError as error:
            _fail(call.hook, error)
            return []

    answers = await asyncio.gather(*map(one, calls), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        attempt.warnings += answer


def _judged(hook: Hook, answer: Mapping[str, Any] | None) -> list[str]:
    if answer is None:
        return []
    for field in ("patch", "patchType"):
        if answer.get(field):
            raise _FailedError(f"{_INVALID}validating webhook may not return response.{field}")
    return _allowed(hook, answer)


def _allowed(hook: Hook, answer: Mapping[str, Any]) -> list[str]:
    """What to warn of. Raises DeniedError."""
    if answer.get("allowed") is not True:
        raise DeniedError.by_webhook(hook.name, answer.get("status") or {})
    return [text for text in answer.get("warnings") or () if isinstance(text, str)]


async def _change(
    review: Review,
    calls: Sequence[Call],
    attempt: Attempt,
    address: ServiceAddress | None,
    readmit: Callable[[dict[str, Any]], Any],
) -> dict[str, Any]:
    """Two rounds: in the second, those who asked for it see an object that somebody changed after them."""
    value: dict[str, Any] = orjson.loads(orjson.dumps(review.value))
    seen: dict[int, bytes] = {}
    for number in (1, 2):
        for index, call in enumerate(calls):
            before = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
            if number == 2 and (not call.hook.is_reinvoked or seen.get(index) in {None, before}):
                continue
            answer = await _asked(call, review, value, address)
            if answer is None:
                continue
            attempt.warnings += _allowed(call.hook, answer)
            try:
                value = _patched(call, review, value, answer)
            except _FailedError as error:
                _fail(call.hook, error)
            else:
                readmit(value)
            seen[index] = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return value


def _patched(call: Call, review: Review, value: dict[str, Any], answer: Mapping[str, Any]) -> dict[str, Any]:
    patch, patch_type = answer.get("patch"), answer.get("patchType")
    if not patch and not patch_type:
        return value
    if not patch or not patch_type:
        given, missing = ("patch", "patchType") if patch else ("patchType", "patch")
        raise _FailedError(f"{_INVALID}webhook returned response.{given} but not response.{missing}")
    if patch_type != "JSONPatch":
        raise _FailedError(f'unsupported patch type "{patch_type}"')
    try:
        operations = orjson.loads(base64.b64decode(patch, validate=True))
    except (binascii.Error, ValueError) as error:
        raise _FailedError(f"received undecodable patch in webhook response: {error}") from None
    told = as_version(orjson.loads(orjson.dumps(value)), call.kind.api_version)
    try:
        changed = json_patch(told, operations)
    except InvalidObjectError as error:
        # A patch that cannot be applied is nobody's failure to answer: no policy forgives it.
        raise WebhookError(call.hook.name, str(error)) from None
    return as_version(changed, review.kind.api_version)


def _fail(hook: Hook, error: _FailedError) -> None:
    """Raises WebhookError, unless nobody minds."""
    if not hook.fails_open:
        raise WebhookError(hook.name, str(error))


async def _asked(
    call: Call, review: Review, value: Mapping[str, Any] | None, address: ServiceAddress | None
) -> dict[str, Any] | None:
    """The answer of one webhook; None when it does not want this request, or failed and nobody minds."""
    uid = str(uuid.uuid4())
    request = review.request(call.kind, uid, value)
    applies, fault = _conditions(call.hook, request)
    if fault and not call.hook.fails_open:
        raise DeniedError(fault, 500, "InternalError")
    if not applies:
        return None
    try:
        body = orjson.dumps({"kind": "AdmissionReview", "apiVersion": _API, "request": request})
        answer = await _sent(call.hook, body, address)
        return _understood(answer, uid)
    except _FailedError as error:
        _fail(call.hook, error)
        return None


def _conditions(hook: Hook, request: Mapping[str, Any]) -> tuple[bool, str]:
    if not hook.conditions:
        return True, ""
    known = {name: request[name] for name in ("object", "oldObject")}
    known["request"] = {name: child for name, child in request.items() if name not in known}
    return evaluates(hook.conditions, known)


def _understood(answer: Any, uid: str) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise _FailedError("failed to call webhook: the answer is no object")
    api_version, kind = answer.get("apiVersion", ""), answer.get("kind", "")
    if (api_version, kind) != (_API, "AdmissionReview"):
        raise _FailedError(
            f'failed to call webhook: no kind "{kind}" is registered for version "{api_version}"'
        )
    if not isinstance(answer.get("response"), dict):
        raise _FailedError(f"{_INVALID}webhook response was absent")
    response: dict[str, Any] = answer["response"]
    if response.get("uid") != uid:
        raise _FailedError(f'{_INVALID}expected response.uid="{uid}", got "{response.get("uid", "")}"')
    return response


# over the wire


class _Target(msgspec.Struct, frozen=True):
    """`host` and `port` are where to connect, `name` is in the certificate, `shown` in messages."""

    host: str
    port: int
    name: str
    path: str
    shown: str


async def _sent(hook: Hook, body: bytes, address: ServiceAddress | None) -> Any:
    import aiohttp  # noqa: PLC0415 start-up time: most stores have no webhooks

    target = _target(hook, address)
    told = f'failed to call webhook: Post "{target.shown}?timeout={hook.seconds}s"'
    trust = _trust(hook)
    connector = aiohttp.TCPConnector(limit=1, force_close=True)
    limit = aiohttp.ClientTimeout(total=hook.seconds)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=limit, trust_env=False) as session,
            session.post(
                f"https://{target.host}:{target.port}{target.path}",
                params={"timeout": f"{hook.seconds}s"},
                data=body,
                headers={
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                    "Host": target.name,
                },
                ssl=trust,
                server_hostname=target.name,
                allow_redirects=False,
            ) as answer,
        ):
            content = await answer.content.read(_LARGEST_ANSWER)
            if not 200 <= answer.status < 300:
                raise _FailedError(f"failed to call webhook: {_refusal(answer.status, content)}")
    except TimeoutError:
        raise _FailedError(f"{told}: context deadline exceeded") from None
    except aiohttp.ClientError as error:
        raise _FailedError(f"{told}: {_cause(error)}") from None
    try:
        return orjson.loads(content)
    except ValueError:
        raise _FailedError("failed to call webhook: the answer is no JSON") from None


def _refusal(status: int, content: bytes) -> str:
    """A Status in the answer speaks for itself."""
    try:
        told = orjson.loads(content)
    except ValueError:
        told = None
    if isinstance(told, dict) and told.get("kind") == "Status" and told.get("message"):
        return str(told["message"])
    return f"the server answered with status {status}"


def _cause(error: Exception) -> str:
    inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    return str(inner) or type(inner).__name__


def _target(hook: Hook, address: ServiceAddress | None) -> _Target:
    url, service = hook.client.get("url"), hook.client.get("service")
    if url:
        import urllib.parse  # noqa: PLC0415 start-up time

        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
        shown_host = f"[{host}]" if ":" in host else host
        return _Target(shown_host, port, host, parts.path, url)
    service = service or {}
    namespace, name, port = service.get("namespace", ""), service.get("name", ""), service.get("port", 443)
    path = service.get("path") or ""
    found = address(namespace, name, port) if address is not None else None
    server = f"{name}.{namespace}.svc"
    shown = f"https://{server}:{port}{path}"
    if found is None:
        raise _FailedError(
            f'failed to call webhook: Post "{shown}?timeout={hook.seconds}s": service "{name}" not found'
        )
    return _Target(found[0], found[1], server, path, shown)


def _trust(hook: Hook) -> ssl.SSLContext:
    bundle = hook.client.get("caBundle")
    if not bundle:
        return ssl.create_default_context()
    try:
        context = ssl.create_default_context(cadata=base64.b64decode(bundle).decode())
    except (ssl.SSLError, ValueError):
        raise _FailedError(
            "could not get REST client: unable to load root certificates: unable to parse bytes as PEM block"
        ) from None
    # As Go: certificates of clusters rarely carry every extension that the strict mode wants.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
