"""Webhooks and admission policies that are stored in the embedded API are asked, as a kube-apiserver asks them.

The webhooks are real: HTTPS servers on loopback with certificates of their own. Where there is a kube-apiserver, the
same requests are sent to it, with the same webhooks, and the answers compared.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import ipaddress
import json
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pilotage.api.errors import PilotageError
from pilotage.api.meta import Kind, ObjectKey
from pilotage.runtime.clock import ManualClock
from pilotage.store.base import DeleteOptions, WriteOptions, status_of
from pilotage.store.embedded import EmbeddedStore
from pilotage.store.embedded.denials import DeniedError, WebhookError

from ..realapi import RealApi  # noqa: TID252 -- tests have no package of their own
from .test_builtin_kinds import IS_RECORDING, Server

CONFIG = Kind("", "v1", "ConfigMap", "configmaps")
NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
SERVICE_NAME = "hook.somewhere.svc"
GROUP = "admissionregistration.k8s.io"
VALIDATING = Kind(
    GROUP, "v1", "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", namespaced=False
)
MUTATING = Kind(
    GROUP, "v1", "MutatingWebhookConfiguration", "mutatingwebhookconfigurations", namespaced=False
)
POLICY = Kind(GROUP, "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", namespaced=False)
BINDING = Kind(
    GROUP, "v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", namespaced=False
)
RECORDED_IN = Path(__file__).parent / "cases" / "webhook_answers.json"
ME = WriteOptions(manager="me")
Answer = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, str]:
    """What a webhook serves with, and the authority in the form of `caBundle`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "webhook of a test")])
    now = dt.datetime.now(dt.UTC)
    names = x509.SubjectAlternativeName(
        [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName(SERVICE_NAME)]
    )
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder: Path = tmp_path_factory.mktemp("certificate")
    pem = built.public_bytes(serialization.Encoding.PEM)
    (folder / "tls.crt").write_bytes(pem)
    (folder / "tls.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context, base64.b64encode(pem).decode()


class Webhooks:
    """An HTTPS server of webhooks, by path. `asked` are the requests, in order."""

    def __init__(self, bundle: str) -> None:
        self.bundle = bundle
        self.port = 0
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def handle(self, request: web.Request) -> web.Response:
        review = await request.json()
        name = request.path.removeprefix("/")
        self.asked.append((name, review["request"]))
        answer = self.answers[name](review["request"])
        if asyncio.iscoroutine(answer):
            answer = await answer
        if isinstance(answer, web.Response):
            return answer
        response = {"uid": review["request"]["uid"], **answer}
        return web.json_response(
            {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        )

    def stated(self, name: str, **more: Any) -> dict[str, Any]:
        """A webhook as a configuration has it, for ConfigMaps of namespaces with the label `hooked`."""
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["*"]}
        return {
            "name": f"{name}.example.com",
            "clientConfig": {"url": f"https://127.0.0.1:{self.port}/{name}", "caBundle": self.bundle},
            "rules": [rule],
            "namespaceSelector": {"matchLabels": {"hooked": "yes"}},
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "timeoutSeconds": 5,
            **more,
        }


@pytest.fixture
async def webhooks(certificate: tuple[ssl.SSLContext, str]) -> AsyncIterator[Webhooks]:
    context, bundle = certificate
    served = Webhooks(bundle)
    application = web.Application()
    application.router.add_post("/{name}", served.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    served.port = runner.addresses[0][1]
    try:
        yield served
    finally:
        await runner.cleanup()


@pytest.fixture
async def store(webhooks: Webhooks) -> AsyncIterator[EmbeddedStore]:
    def address(namespace: str, name: str, port: int) -> tuple[str, int] | None:
        return ("127.0.0.1", webhooks.port) if (namespace, name, port) == ("somewhere", "hook", 443) else None

    async with await EmbeddedStore.open(
        None, ManualClock(), is_strict=True, service_address=address
    ) as opened:
        await opened.create(
            NAMESPACE, {"metadata": {"name": "here", "labels": {"hooked": "yes"}}}, manager="me"
        )
        await opened.create(NAMESPACE, {"metadata": {"name": "elsewhere"}}, manager="me")
        yield opened


def config(name: str = "one", **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **more}


async def register(store: EmbeddedStore, kind: Kind, *stated: Mapping[str, Any], name: str = "hooks") -> None:
    await store.create(kind, {"metadata": {"name": name}, "webhooks": list(stated)}, manager="admin")


def patch(*operations: dict[str, Any]) -> dict[str, Any]:
    encoded = base64.b64encode(json.dumps(operations).encode()).decode()
    return {"allowed": True, "patchType": "JSONPatch", "patch": encoded}


def label(name: str, value: str = "yes") -> Answer:
    """A webhook that sets a label."""

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        labels = {**request["object"]["metadata"].get("labels", {}), name: value}
        return patch({"op": "add", "path": "/metadata/labels", "value": labels})

    return answer


def refused(code: int = 0, message: str = "", reason: str = "") -> dict[str, Any]:
    status = {
        name: value for name, value in {"code": code, "message": message, "reason": reason}.items() if value
    }
    return {"allowed": False, **({"status": status} if status else {})}


ANSWERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "allowed": lambda _: {"allowed": True, "warnings": ["look out"]},
    "refused": lambda _: refused(403, "not today", "Forbidden"),
    "refused by reason": lambda _: refused(reason="NotToday"),
    "refused without a word": lambda _: refused(),
    "refused with success": lambda _: refused(200, "no"),
    "no answer": lambda _: web.json_response(
        {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    ),
    "answer of another kind": lambda request: web.json_response(
        {"apiVersion": "v1", "kind": "Pod", "response": {"uid": request["uid"], "allowed": True}}
    ),
    "patch of who may only judge": lambda _: patch({"op": "add", "path": "/data", "value": {}}),
    "answer of a broken server": lambda _: web.Response(status=503, text="broken"),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_what_a_validating_webhook_says_is_what_the_client_hears(
    store: EmbeddedStore, webhooks: Webhooks, recorded: Mapping[str, Any], case: str
):
    """Refusals carry the webhook's name, code and reason; one that says nothing sensible fails the request."""
    webhooks.answers["a"] = ANSWERS[case]
    await register(store, VALIDATING, webhooks.stated("a"))
    assert recorded[case] == await outcome(store)


async def outcome(store: EmbeddedStore) -> dict[str, Any]:
    """What came of a create, in the form in which a server's answers are kept."""
    try:
        written = await store.post(CONFIG, "here", config(), ME)
    except PilotageError as error:
        status = status_of(error)
        return {
            "code": status["code"],
            "reason": status.get("reason", ""),
            "message": brief(status["message"]),
        }
    return {"warnings": list(written.warnings)}


def brief(message: str) -> str:
    """Without what is different each time, and without what only Go says of HTTP."""
    message = re.sub(r"127\.0\.0\.1:\d+", "<address>", message)
    message = re.sub(r'response\.uid="[^"]*"', 'response.uid="<uid>"', message)
    message = re.sub(r' in scheme "[^"]*"', "", message)
    return re.sub(
        r"(the server answered with status \d+|the server is currently unable .*|an error on the server.*)",
        "<refusal>",
        message,
    )


@pytest.fixture(scope="session")
def recorded() -> Mapping[str, Any]:
    loaded: dict[str, Any] = json.loads(RECORDED_IN.read_text())
    return loaded


async def test_a_real_server_says_the_same(
    real_api: RealApi, webhooks: Webhooks, recorded: Mapping[str, Any]
):
    """The texts that the embedded API is held to are a server's."""
    server = Server(real_api)

    async def ask(method: str, path: str, body: Any) -> tuple[Any, tuple[str, ...]]:
        return await asyncio.to_thread(server.ask, method, path, body)

    await ask(
        "POST", "/api/v1/namespaces", {"metadata": {"name": "hooked-here", "labels": {"hooked": "yes"}}}
    )
    webhooks.answers["a"] = lambda _: {"allowed": True}
    hooks = f"/apis/{GROUP}/v1/{VALIDATING.plural}"
    body = {"metadata": {"name": "hooks-of-a-test"}, "webhooks": [webhooks.stated("a")]}
    await ask("POST", hooks, body)
    maps = "/api/v1/namespaces/hooked-here/configmaps"
    answers: dict[str, Any] = {}
    try:
        async with asyncio.timeout(30):
            while not webhooks.asked:
                await ask("POST", f"{maps}?dryRun=All", config())
        for case, answer in ANSWERS.items():
            webhooks.answers["a"] = answer
            told, warnings = await ask("POST", f"{maps}?dryRun=All", config())
            if told["kind"] == "Status":
                found: dict[str, Any] = {
                    "code": told["code"],
                    "reason": told.get("reason", ""),
                    "message": brief(told["message"]),
                }
            else:
                found = {"warnings": [text.partition('"')[2].rstrip('"') for text in warnings]}
            answers[case] = found
    finally:
        await ask("DELETE", f"{hooks}/hooks-of-a-test", None)
    if IS_RECORDING:
        RECORDED_IN.write_text(json.dumps(answers, indent=1, sort_keys=True) + "\n")
    assert recorded == answers


async def test_what_a_webhook_is_told(store: EmbeddedStore, webhooks: Webhooks):
    """The object as it is and as it shall be, who asks, and how."""
    webhooks.answers["a"] = lambda _: {"allowed": True}
    await register(store, VALIDATING, webhooks.stated("a"))
    created = (await store.post(CONFIG, "here", config(data={"x": "1"}), ME)).object
    await store.patch(CONFIG, created.key, "merge", {"data": {"x": "2"}}, ME)
    await store.remove(CONFIG, created.key, DeleteOptions())
    requests = [request for _, request in webhooks.asked]
    assert ["CREATE", "UPDATE", "DELETE"] == [request["operation"] for request in requests]
    created_as, changed, removed = requests
    assert (
        {"group": "", "version": "v1", "kind": "ConfigMap"} == created_as["kind"] == created_as["requestKind"]
    )
    assert {"group": "", "version": "v1", "resource": "configmaps"} == created_as["resource"]
    assert ("one", "here", False) == (created_as["name"], created_as["namespace"], created_as["dryRun"])
    assert {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1", "fieldManager": "me"} == created_as[
        "options"
    ]
    assert (None, created.meta.uid) == (created_as["oldObject"], created_as["object"]["metadata"]["uid"])
    assert ({"x": "1"}, {"x": "2"}) == (changed["oldObject"]["data"], changed["object"]["data"])
    assert (None, {"x": "2"}) == (removed["object"], removed["oldObject"]["data"])


async def test_a_mutating_webhook_changes_the_object(store: EmbeddedStore, webhooks: Webhooks):
    """Its JSON patch is applied, and those who judge see the outcome."""
    webhooks.answers = {"a": label("a"), "b": lambda _: {"allowed": True}}
    await register(store, MUTATING, webhooks.stated("a"))
    await register(store, VALIDATING, webhooks.stated("b"))
    written = await store.post(CONFIG, "here", config(), ME)
    assert {"a": "yes"} == written.object.labels
    assert {"a": "yes"} == webhooks.asked[-1][1]["object"]["metadata"]["labels"]
    assert ["a", "b"] == [name for name, _ in webhooks.asked]
    applied = await store.apply(CONFIG, ObjectKey("here", "two"), config("two"), manager="me")
    assert {"a": "yes"} == applied.labels


async def test_a_webhook_is_asked_again_when_others_changed_the_object(
    store: EmbeddedStore, webhooks: Webhooks
):
    """Once more, when it wants to: reinvocationPolicy IfNeeded."""
    webhooks.answers = {"a": label("a"), "b": label("b")}
    await register(store, MUTATING, webhooks.stated("a", reinvocationPolicy="IfNeeded"), webhooks.stated("b"))
    await store.post(CONFIG, "here", config(), ME)
    assert ["a", "b", "a"] == [name for name, _ in webhooks.asked]


async def test_only_requests_that_match_are_asked_about(store: EmbeddedStore, webhooks: Webhooks):
    """By operation, labels of namespace and object, and conditions in CEL."""
    webhooks.answers["a"] = lambda _: refused()
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]}
    condition = {"name": "not-mine", "expression": "!has(object.data) || object.data.who != 'me'"}
    await register(
        store,
        VALIDATING,
        webhooks.stated(
            "a", rules=[rule], objectSelector={"matchLabels": {"judged": "yes"}}, matchConditions=[condition]
        ),
    )
    judged = {"labels": {"judged": "yes"}}
    for place, value in (
        ("elsewhere", {"metadata": {"name": "one", **judged}}),
        ("here", config("two")),
        ("here", {"metadata": {"name": "three", **judged}, "data": {"who": "me"}}),
    ):
        await store.post(CONFIG, place, value, ME)
    await store.patch(CONFIG, ObjectKey("here", "two"), "merge", {"metadata": judged}, ME)
    assert [] == webhooks.asked
    with pytest.raises(DeniedError, match="denied the request without explanation"):
        await store.post(CONFIG, "here", {"metadata": {"name": "four", **judged}}, ME)


async def test_a_dry_run_is_told_and_writes_nothing(store: EmbeddedStore, webhooks: Webhooks):
    """Webhooks hear that nothing will be kept."""
    webhooks.answers["a"] = label("a")
    await register(store, MUTATING, webhooks.stated("a"))
    written = await store.post(CONFIG, "here", config(), WriteOptions(manager="me", is_dry_run=True))
    assert {"a": "yes"} == written.object.labels
    assert (True, ["All"]) == (webhooks.asked[0][1]["dryRun"], webhooks.asked[0][1]["options"]["dryRun"])
    assert () == (await store.list(CONFIG, "here")).items


@pytest.mark.parametrize("policy", ["Fail", "Ignore"])
@pytest.mark.parametrize("fault", ["closed", "slow", "untrusted", "no service"])
async def test_a_webhook_that_cannot_be_asked(
    store: EmbeddedStore, webhooks: Webhooks, policy: str, fault: str
):
    """Refuses everything, or is passed over, as its configuration says."""
    release = asyncio.Event()

    async def slow(_: dict[str, Any]) -> dict[str, Any]:
        await release.wait()
        return {"allowed": True}

    webhooks.answers["a"] = slow if fault == "slow" else lambda _: {"allowed": True}
    stated = webhooks.stated("a", failurePolicy=policy, timeoutSeconds=1)
    service = {"namespace": "somewhere", "name": "nobody", "port": 443, "path": "/a"}
    stated["clientConfig"] |= {
        "closed": {"url": "https://127.0.0.1:1/a"},
        "untrusted": {"caBundle": None},
        "no service": {"url": None, "service": service},
        "slow": {},
    }[fault]
    await register(store, VALIDATING, stated)
    try:
        if policy == "Ignore":
            await store.post(CONFIG, "here", config(), ME)
            return
        with pytest.raises(WebhookError) as caught:
            await store.post(CONFIG, "here", config(), ME)
    finally:
        release.set()
    said = str(caught.value)
    assert said.startswith(
        'Internal error occurred: failed calling webhook "a.example.com": failed to call webhook: Post'
    )
    ends = {"slow": ": context deadline exceeded", "no service": ': service "nobody" not found'}
    assert said.endswith(ends.get(fault, ""))
    assert (500, "InternalError") == (status_of(caught.value)["code"], status_of(caught.value)["reason"])


async def test_a_webhook_may_be_a_service(store: EmbeddedStore, webhooks: Webhooks):
    """The store was told where services are; the certificate is that of the service."""
    webhooks.answers["a"] = label("a")
    service = {"namespace": "somewhere", "name": "hook", "path": "/a"}
    await register(
        store, MUTATING, webhooks.stated("a", clientConfig={"service": service, "caBundle": webhooks.bundle})
    )
    assert {"a": "yes"} == (await store.post(CONFIG, "here", config(), ME)).object.labels


async def test_what_changes_while_a_webhook_thinks_is_judged_again(store: EmbeddedStore, webhooks: Webhooks):
    """An answer counts for the state that was asked about; other writes go on meanwhile."""
    await store.post(CONFIG, "here", config(data={"x": "1"}), ME)
    asked, release = asyncio.Event(), asyncio.Event()

    async def judge(request: dict[str, Any]) -> dict[str, Any]:
        if request["object"]["data"].get("y"):
            asked.set()
            await release.wait()
        return {"allowed": True}

    webhooks.answers["a"] = judge
    await register(store, VALIDATING, webhooks.stated("a"))
    key = ObjectKey("here", "one")
    writing = asyncio.create_task(store.patch(CONFIG, key, "merge", {"data": {"y": "1"}}, ME))
    await asyncio.wait_for(asked.wait(), 10)
    await store.patch(CONFIG, key, "merge", {"data": {"x": "2"}}, ME)
    release.set()
    written = await asyncio.wait_for(writing, 10)
    assert {"x": "2", "y": "1"} == written.object.value()["data"]
    seen = [request["object"]["data"] for _, request in webhooks.asked]
    assert [{"x": "1", "y": "1"}, {"x": "2"}, {"x": "2", "y": "1"}] == seen


async def test_a_generated_name_stays_the_one_that_was_judged(store: EmbeddedStore, webhooks: Webhooks):
    """What was chosen at random for a new object is not chosen again after the webhooks answered."""
    webhooks.answers = {"a": lambda _: {"allowed": True}, "b": label("b")}
    await register(store, VALIDATING, webhooks.stated("a"))
    await register(store, MUTATING, webhooks.stated("b"))
    written = await store.post(CONFIG, "here", {"metadata": {"generateName": "some-"}}, ME)
    names = {request["name"] for _, request in webhooks.asked}
    assert {written.object.meta.name} == names
    assert 2 == len(webhooks.asked)


async def test_configurations_can_always_be_taken_away(store: EmbeddedStore, webhooks: Webhooks):
    """No webhook is asked about webhook configurations, not even one that wants to hear of everything."""
    webhooks.answers["a"] = lambda _: refused()
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["*"]}
    await register(store, VALIDATING, webhooks.stated("a", rules=[rule], namespaceSelector={}))
    with pytest.raises(DeniedError):
        await store.post(CONFIG, "here", config(), ME)
    await store.delete(VALIDATING, ObjectKey("", "hooks"))
    await store.post(CONFIG, "here", config(), ME)


async def test_a_fork_calls_nobody(store: EmbeddedStore, webhooks: Webhooks):
    """A rehearsal must not reach outside."""
    webhooks.answers["a"] = lambda _: refused()
    await register(store, VALIDATING, webhooks.stated("a"))
    async with await store.fork() as fork:
        await fork.post(CONFIG, "here", config(), ME)
    assert [] == webhooks.asked


async def test_a_rule_for_another_version_counts_as_well(store: EmbeddedStore, webhooks: Webhooks):
    """With matchPolicy Equivalent a webhook is told the object in the version that its rule names."""
    event = Kind("", "v1", "Event", "events")
    rule = {
        "apiGroups": ["events.k8s.io"],
        "apiVersions": ["v1"],
        "resources": ["events"],
        "operations": ["*"],
    }
    webhooks.answers["a"] = lambda _: patch({"op": "add", "path": "/note", "value": "changed"})
    await register(store, MUTATING, webhooks.stated("a", rules=[rule]))
    about = {"kind": "Pod", "name": "p", "namespace": "here"}
    written = await store.post(event, "here", config(involvedObject=about, message="said"), ME)
    told = webhooks.asked[0][1]
    assert ("events.k8s.io", "") == (told["kind"]["group"], told["requestKind"]["group"])
    assert ("said", about) == (told["object"]["note"], told["object"]["regarding"])
    assert "changed" == written.object.value()["message"]
    exact = webhooks.stated("b", rules=[rule], matchPolicy="Exact")
    await store.delete(MUTATING, ObjectKey("", "hooks"))
    await register(store, MUTATING, exact)
    await store.post(event, "here", config("two", involvedObject=about), ME)
    assert 1 == len(webhooks.asked)


# policies


def policy(*validations: dict[str, Any], **more: Any) -> dict[str, Any]:
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": ["configmaps"],
        "operations": ["CREATE", "UPDATE"],
    }
    spec = {"matchConstraints": {"resourceRules": [rule]}, "validations": list(validations), **more}
    return {"metadata": {"name": "rules"}, "spec": spec}


async def enforce(store: EmbeddedStore, stated: dict[str, Any], *actions: str) -> None:
    await store.create(POLICY, stated, manager="admin")
    spec = {
        "policyName": "rules",
        "validationActions": list(actions or ["Deny"]),
        "matchResources": {"namespaceSelector": {"matchLabels": {"hooked": "yes"}}},
    }
    await store.create(BINDING, {"metadata": {"name": "binding"}, "spec": spec}, manager="admin")


@pytest.mark.parametrize(
    ("validation", "said", "code"),
    [
        pytest.param({}, "failed expression: object.data.x == 'good'", 422, id="bare"),
        pytest.param({"message": "be good"}, "be good", 422, id="message"),
        pytest.param({"message": "no", "reason": "Forbidden"}, "no", 403, id="reason"),
        pytest.param(
            {"messageExpression": "object.metadata.name + ' in ' + request.namespace"},
            "one in here",
            422,
            id="expression",
        ),
    ],
)
async def test_a_policy_denies(store: EmbeddedStore, validation: dict[str, Any], said: str, code: int):
    """In the server's words, with the message or the expression of the rule."""
    await enforce(store, policy({"expression": "object.data.x == 'good'", **validation}))
    await store.post(CONFIG, "here", config("two", data={"x": "good"}), ME)
    await store.post(CONFIG, "elsewhere", config(data={"x": "bad"}), ME)
    with pytest.raises(DeniedError) as caught:
        await store.post(CONFIG, "here", config(data={"x": "bad"}), ME)
    denied = f"ValidatingAdmissionPolicy 'rules' with binding 'binding' denied request: {said}"
    assert f'configmaps "one" is forbidden: {denied}' == str(caught.value)
    assert code == status_of(caught.value)["code"]


async def test_a_policy_knows_what_was_and_what_it_named(store: EmbeddedStore):
    """`oldObject`, `variables`, the namespace; and conditions say when it counts."""
    await enforce(
        store,
        policy(
            {
                "expression": "oldObject == null || variables.now >= variables.before",
                "message": "only upwards",
            },
            {"expression": "namespaceObject.metadata.labels.hooked == 'yes'"},
            variables=[
                {"name": "now", "expression": "int(object.data.n)"},
                {"name": "before", "expression": "int(oldObject.data.n)"},
            ],
            matchConditions=[{"name": "counted", "expression": "has(object.data) && 'n' in object.data"}],
        ),
    )
    key = ObjectKey("here", "one")
    await store.post(CONFIG, "here", config(data={"n": "1"}), ME)
    await store.patch(CONFIG, key, "merge", {"data": {"n": "2"}}, ME)
    with pytest.raises(DeniedError, match="denied request: only upwards"):
        await store.patch(CONFIG, key, "merge", {"data": {"n": "1"}}, ME)
    await store.patch(CONFIG, key, "merge", {"data": None}, ME)


async def test_a_policy_that_only_warns(store: EmbeddedStore):
    """The write goes on, and the client is told."""
    await enforce(store, policy({"expression": "false", "message": "hm"}), "Warn")
    written = await store.post(CONFIG, "here", config(), ME)
    assert written.warnings == (
        "Validation failed for ValidatingAdmissionPolicy 'rules' with binding 'binding': hm",
    )


@pytest.mark.parametrize(("policy_of_failure", "passes"), [("Fail", False), ("Ignore", True)])
async def test_an_expression_that_fails(store: EmbeddedStore, policy_of_failure: str, passes: bool):
    """Counts as its failurePolicy says."""
    await enforce(
        store, policy({"expression": "object.data.nothing == 'x'"}, failurePolicy=policy_of_failure)
    )
    with (
        contextlib.nullcontext()
        if passes
        else pytest.raises(DeniedError, match="resulted in error: no such key")
    ):
        await store.post(CONFIG, "here", config(), ME)


async def test_policies_count_in_forks(store: EmbeddedStore):
    """They reach nobody, so a rehearsal keeps to them."""
    await enforce(store, policy({"expression": "false"}))
    async with await store.fork() as fork:
        with pytest.raises(DeniedError):
            await fork.post(CONFIG, "here", config(), ME)
