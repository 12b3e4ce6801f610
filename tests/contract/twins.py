"""Two API servers that are asked the same: a real kube-apiserver over HTTP, and the embedded store in this process.

A *history* is a list of steps, plain data. Each side lives through it in a namespace of its own and keeps a record: every
answer, what watches told, and what is there in the end. Records are comparable: identities become words, versions become
ranks, and the clock of the embedded store shows the second at which the real server answered, so times are compared as they are.

Nobody collects garbage here: a kube-apiserver alone does not, and the embedded store is told not to.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import ssl
import time
import urllib.parse
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from pilotage.api.errors import PilotageError
from pilotage.api.meta import Kind, ObjectKey
from pilotage.store.base import (
    Deleted,
    DeleteOptions,
    ListOptions,
    PatchType,
    Subresource,
    WatchOptions,
    WriteOptions,
    Written,
    status_of,
)
from pilotage.store.embedded import EmbeddedStore

__all__ = [
    "PLACES",
    "Embedded",
    "Real",
    "Record",
    "Step",
    "UncertainTimeError",
    "compare",
    "differences",
    "live_through",
]

PLACES = [0]
"""How many histories were lived so far: several modules live on one server, and their places must differ."""

MEDIA = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
SENTINEL = "zz-the-end"
FIRST_VERSION = 900_000_000_000
"""Versions of the embedded store begin here, so that none looks like another number."""
PATIENCE = 5.0  # seconds; met only when something is broken

_UNDECLARED = re.compile(
    r"(failed to create typed patch object .*?): .*field not declared in schema.*", re.DOTALL
)
"""An API server stops at the first of several such fields, and which one that is differs from time to time."""
_VERSIONS = re.compile(
    r"""(ResourceVersion in (?:the precondition|record) \(|\\?"resourceVersion\\?":\\?")(\d+)(\)|\\?")"""
)


class Step(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing to do. In `body` the words `<uid>`, `<version>`, `<stale>` stand for those of the object, as this side knows it.

    `onto_live`: the body is merged into the last state that was seen, as by a client that reads, changes and writes.
    `wait`: until the clock shows another second.
    """

    do: Literal["post", "put", "patch", "delete", "delete_all", "get", "list", "wait"]
    kind: str = "config"
    name: str = ""
    body: Any = None
    patch: PatchType = "merge"
    on: Subresource = ""
    manager: str = "one"
    force: bool = False
    dry: bool = False
    validation: Literal["Strict", "Warn", "Ignore"] = "Warn"
    propagation: Literal["", "Background", "Foreground", "Orphan"] = ""
    uid: str = ""
    version: str = ""
    labels: str = ""
    fields: str = ""
    onto_live: bool = False


class Record(msgspec.Struct):
    """What one side said: an answer for each step, the events of each kind, and the objects in the end."""

    answers: list[Any] = []
    events: dict[str, list[Any]] = {}
    objects: dict[str, list[Any]] = {}


class UncertainTimeError(Exception):
    """The second changed while a step was under way: nothing can be said about times."""


class Side:
    """What both sides remember of a history: the states that were seen, so that steps can speak of them."""

    def __init__(self, kinds: Mapping[str, Kind], place: str) -> None:
        self.kinds, self.place = kinds, place
        self.states: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.uids: dict[str, str] = {}
        self.versions: set[int] = set()

    def key(self, step: Step) -> ObjectKey:
        kind = self.kinds[step.kind]
        if step.kind == "namespace":
            return ObjectKey("", self.place)
        return (
            ObjectKey(self.place, step.name)
            if kind.namespaced
            else ObjectKey("", self.cluster_name(step.name))
        )

    def cluster_name(self, name: str) -> str:
        return f"{self.place}-{name}" if name else ""

    def resolved(self, step: Step) -> Step:
        """The step as this side is asked."""
        seen = self.states.get((self.kinds[step.kind].plural, self.key(step).name), [])
        body = self._said(step.body, seen)
        if step.onto_live and seen and isinstance(body, dict):
            body = _merged(seen[-1], body)
        return msgspec.structs.replace(
            step, body=body, uid=self._said(step.uid, seen), version=self._said(step.version, seen)
        )

    def _said(self, value: Any, seen: Sequence[dict[str, Any]]) -> Any:
        if isinstance(value, dict):
            return {name: self._said(child, seen) for name, child in value.items()}
        if isinstance(value, list):
            return [self._said(child, seen) for child in value]
        if not isinstance(value, str) or "<" not in value:
            return value
        last = seen[-1]["metadata"] if seen else {}
        first = seen[0]["metadata"] if seen else {}
        if value.startswith("<name:"):
            return self.cluster_name(value[6:-1])
        return {
            "<uid>": last.get("uid", "00000000-0000-4000-8000-000000000000"),
            "<version>": last.get("resourceVersion", "1"),
            "<stale>": first.get("resourceVersion", "1"),
            "<place>": self.place,
        }.get(value, value)

    def saw(self, kind: Kind, value: dict[str, Any], *, is_kept: bool = True) -> None:
        metadata = value.get("metadata") or {}
        name = metadata.get("name", "")
        if uid := metadata.get("uid"):
            self.uids.setdefault(uid, f"<uid {len(self.uids)}>") if is_kept else self.uids.setdefault(
                uid, "<uid of none>"
            )
        if (version := metadata.get("resourceVersion", "")).isdecimal():
            self.versions.add(int(version))
        if is_kept:
            self.states.setdefault((kind.plural, name), []).append(value)

    def plain(self, value: Any) -> Any:
        """Without what is this side's alone."""
        ranks = {str(version): f"<version {rank}>" for rank, version in enumerate(sorted(self.versions))}
        return self._plain(value, ranks)

    def _plain(self, value: Any, ranks: Mapping[str, str]) -> Any:
        if isinstance(value, dict):
            return {
                self._text(name): (
                    ranks.get(child, child)
                    if name == "resourceVersion" and isinstance(child, str)
                    else self._plain(child, ranks)
                )
                for name, child in value.items()
            }
        if isinstance(value, list):
            return [self._plain(child, ranks) for child in value]
        if isinstance(value, str):
            text = _VERSIONS.sub(lambda found: found[1] + ranks.get(found[2], found[2]) + found[3], value)
            return _UNDECLARED.sub(r"\1: field not declared in schema", self._text(text))
        return value

    def _text(self, text: str) -> str:
        text = text.replace(self.place, "<place>")
        if "-" in text:
            for uid, word in self.uids.items():
                text = text.replace(uid, word)
        return text


def _merged(value: Any, patch: Any) -> Any:
    """The body of a replace: what was seen, changed. `<none>` takes a field away, null is a null."""
    if not isinstance(patch, dict) or not isinstance(value, dict):
        return patch
    merged = dict(value)
    for name, wanted in patch.items():
        if wanted == "<none>":
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), wanted)
    return merged


class Real(Side):
    """A kube-apiserver, over one connection."""

    def __init__(self, server: RealServer, kinds: Mapping[str, Kind], place: str) -> None:
        super().__init__(kinds, place)
        self._server = server

    def ask(self, step: Step) -> Any:
        step = self.resolved(step)
        kind, key = self.kinds[step.kind], self.key(step)
        path = collection(kind, key.namespace)
        query: dict[str, str] = {}
        headers: dict[str, str] = {}
        body = step.body
        if step.dry and step.do in {"post", "put", "patch"}:
            query["dryRun"] = "All"
        if step.do in {"post", "put", "patch"}:
            query |= {"fieldManager": step.manager, "fieldValidation": step.validation}
            headers["Content-Type"] = MEDIA[step.patch] if step.do == "patch" else "application/json"
            if step.force:
                query["force"] = "true"
        if step.labels:
            query["labelSelector"] = step.labels
        if step.fields:
            query["fieldSelector"] = step.fields
        if step.do in {"delete", "delete_all"}:
            body = _deletion(step)
            headers["Content-Type"] = "application/json"
        if step.do not in {"post", "list", "delete_all"}:
            path += f"/{key.name}" + (f"/{step.on}" if step.on else "")
        method = {"list": "GET", "delete_all": "DELETE"}.get(step.do, step.do.upper())
        status, answer, warnings = self._server.ask(method, path, query, body, headers)
        return self._recorded(step, kind, status, answer, warnings)

    def _recorded(self, step: Step, kind: Kind, status: int, answer: Any, warnings: list[str]) -> Any:
        if status >= 400:
            return {"status": answer}
        if step.do in {"list", "delete_all"}:
            items = answer.get("items") or []
            for item in items:
                self.saw(kind, item)
            return {"items": [_typed(kind, item) for item in items]}
        if step.do == "delete" and answer.get("kind") == "Status":
            return {"gone": True}
        self.saw(kind, answer, is_kept=not step.dry and step.on != "scale")
        recorded = {"object": answer}
        if step.do == "delete":
            return {"gone": False, **recorded}
        if step.do == "get":
            return recorded
        return {**recorded, "is_created": status == 201, "warnings": warnings}

    def listing(self, kind: Kind) -> tuple[str, list[Any]]:
        _, answer, _ = self._server.ask("GET", collection(kind, self.place if kind.namespaced else ""), {})
        items = [
            _typed(kind, item)
            for item in answer.get("items") or []
            if kind.namespaced or item["metadata"]["name"].startswith(self.place)
        ]
        for item in items:
            self.saw(kind, item)
        return answer["metadata"]["resourceVersion"], items

    def events(self, kind: Kind, since: str) -> list[Any]:
        """What a watch tells since a version, up to the sentinel."""
        found = []
        for event in self._server.watch(collection(kind, self.place if kind.namespaced else ""), since):
            value = event["object"]
            name = value.get("metadata", {}).get("name", "")
            if not kind.namespaced and not name.startswith(self.place):
                continue
            if name.endswith(SENTINEL):
                break
            self.saw(kind, value, is_kept=False)
            found.append(event)
        return found


class RealServer:
    """HTTP to a kube-apiserver, as its administrator."""

    def __init__(self, kubeconfig: Any) -> None:
        config = json.loads(kubeconfig.read_text())
        address = urllib.parse.urlsplit(config["clusters"][0]["cluster"]["server"])
        users = {user["name"]: user["user"] for user in config["users"]}
        self._headers = {"Authorization": f"Bearer {users['token']['token']}", "Accept": "application/json"}
        self._address = (address.hostname or "", address.port)
        self._context = ssl.create_default_context()
        self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE
        self._connection: http.client.HTTPSConnection | None = None

    def _connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(*self._address, context=self._context, timeout=60)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, Any, list[str]]:
        if self._connection is None:
            self._connection = self._connect()
        target = path + ("?" + urllib.parse.urlencode(query) if query else "")
        content = None if body is None else json.dumps(body).encode()
        self._connection.request(method, target, content, {**self._headers, **(headers or {})})
        answer = self._connection.getresponse()
        text = answer.read()
        warnings = [_warning(each) for each in answer.headers.get_all("Warning") or ()]
        try:
            return answer.status, json.loads(text), warnings
        except ValueError:
            return answer.status, text.decode(), warnings

    def watch(self, path: str, since: str) -> Iterable[Any]:
        connection = self._connect()
        query = urllib.parse.urlencode({"watch": "1", "resourceVersion": since, "timeoutSeconds": "5"})
        try:
            connection.request("GET", f"{path}?{query}", headers=self._headers)
            answer = connection.getresponse()
            while line := answer.readline():
                yield json.loads(line)
        finally:
            connection.close()


class Embedded(Side):
    """The embedded store, called as an HTTP face would call it."""

    def __init__(self, store: EmbeddedStore, kinds: Mapping[str, Kind], place: str) -> None:
        super().__init__(kinds, place)
        self.store = store
        self._told: dict[str, list[Any]] = {}
        self._watching: list[asyncio.Task[None]] = []
        self._news = asyncio.Event()

    async def ask(self, step: Step) -> Any:
        step = self.resolved(step)
        kind, key = self.kinds[step.kind], self.key(step)
        try:
            return await self._answer(step, kind, key)
        except PilotageError as error:
            return {"status": status_of(error)}

    async def _answer(self, step: Step, kind: Kind, key: ObjectKey) -> Any:
        write = WriteOptions(
            manager=step.manager, is_dry_run=step.dry, force=step.force, validation=step.validation
        )
        removal = DeleteOptions(
            propagation=step.propagation, uid=step.uid, resource_version=step.version, is_dry_run=step.dry
        )
        selection = ListOptions(namespace=key.namespace, labels=step.labels, fields=step.fields)
        match step.do:
            case "post":
                return self._written(step, kind, await self.store.post(kind, key.namespace, step.body, write))
            case "put":
                return self._written(step, kind, await self.store.put(kind, key, step.body, write, step.on))
            case "patch":
                return self._written(
                    step, kind, await self.store.patch(kind, key, step.patch, step.body, write, step.on)
                )
            case "get":
                value = (await self.store.read(kind, key, step.on)).value()
                self.saw(kind, value, is_kept=step.on != "scale")
                return {"object": value}
            case "delete":
                return self._deleted(step, kind, await self.store.remove(kind, key, removal))
            case "list" | "delete_all":
                listing = (
                    self.store.page(kind, selection)
                    if step.do == "list"
                    else self.store.remove_all(kind, selection, removal)
                )
                items = [item.value() for item in (await listing).items]
                for item in items:
                    self.saw(kind, item)
                return {"items": items}
        raise AssertionError(step.do)

    def _written(self, step: Step, kind: Kind, written: Written) -> Any:
        value = written.object.value()
        self.saw(kind, value, is_kept=not step.dry and step.on != "scale")
        return {"object": value, "is_created": written.is_created, "warnings": list(written.warnings)}

    def _deleted(self, step: Step, kind: Kind, deleted: Deleted) -> Any:
        if deleted.is_gone:
            return {"gone": True}
        value = deleted.object.value()
        self.saw(kind, value, is_kept=not step.dry)
        return {"gone": False, "object": value}

    async def listing(self, kind: Kind) -> list[Any]:
        found = await self.store.page(kind, ListOptions(namespace=self.place if kind.namespaced else ""))
        items = [item.value() for item in found.items if kind.namespaced or self._is_ours(item.value())]
        for item in items:
            self.saw(kind, item)
        return items

    def _is_ours(self, value: Mapping[str, Any]) -> bool:
        return bool(value["metadata"]["name"].startswith(self.place))

    @asynccontextmanager
    async def watching(self, kinds: Iterable[str]) -> AsyncIterator[None]:
        """Watch from now on; what is told can be asked for with `events`."""
        loop = asyncio.get_running_loop()
        for name in kinds:
            kind = self.kinds[name]
            version = (await self.store.list(kind)).resource_version
            self._told[name] = []
            self._watching.append(loop.create_task(self._listen(name, kind, version)))
        await asyncio.sleep(0)
        try:
            yield
        finally:
            for task in self._watching:
                task.cancel()
            for task in self._watching:
                with suppress(asyncio.CancelledError):
                    await task

    async def _listen(self, name: str, kind: Kind, version: str) -> None:
        options = WatchOptions(namespace=self.place if kind.namespaced else "", resource_version=version)
        async for event in self.store.follow(kind, options):
            value = event.object.value()
            if not (kind.namespaced or self._is_ours(value)):
                continue
            if not value["metadata"]["name"].endswith(SENTINEL):
                self.saw(kind, value, is_kept=False)
            self._told[name].append({"type": event.type, "object": value})
            self._news.set()

    async def catch_up(self) -> None:
        """Let the watches read on, so that they are told of each change: one that sleeps is told only the last."""
        for _ in range(2):
            for _ in range(4):
                await asyncio.sleep(0)
            await self.store.list(self.kinds["namespace"], self.place)

    async def events(self, name: str) -> list[Any]:
        """Up to the sentinel."""
        async with asyncio.timeout(PATIENCE):
            while not any(_is_sentinel(event) for event in self._told[name]):
                self._news.clear()
                await self._news.wait()
        return [event for event in self._told[name] if not _is_sentinel(event)]


def _is_sentinel(event: Mapping[str, Any]) -> bool:
    return bool(event["object"]["metadata"]["name"].endswith(SENTINEL))


def collection(kind: Kind, namespace: str) -> str:
    root = f"/apis/{kind.api_version}" if kind.group else f"/api/{kind.version}"
    return root + (f"/namespaces/{namespace}" if kind.namespaced and namespace else "") + f"/{kind.plural}"


def _typed(kind: Kind, item: dict[str, Any]) -> dict[str, Any]:
    """Items of a list of a built-in kind do not say their type."""
    return {"apiVersion": kind.api_version, "kind": kind.kind, **item}


def _warning(header: str) -> str:
    text = header.partition('"')[2].removesuffix('"')
    return text.replace('\\"', '"').replace("\\\\", "\\")


def _deletion(step: Step) -> dict[str, Any]:
    body: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
    if step.propagation:
        body["propagationPolicy"] = step.propagation
    preconditions = {
        name: value for name, value in (("uid", step.uid), ("resourceVersion", step.version)) if value
    }
    if preconditions and step.do == "delete":
        body["preconditions"] = preconditions
    if step.dry:
        body["dryRun"] = ["All"]
    return body


class MovingClock:
    """Shows the second that it was told."""

    def __init__(self) -> None:
        self.seconds = int(time.time())

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)


async def live_through(
    steps: Sequence[Step],
    server: RealServer,
    store: EmbeddedStore,
    clock: MovingClock,
    kinds: Mapping[str, Kind],
    place: str,
    *,
    is_heard: bool = True,
) -> tuple[Record, Record]:
    """Both records, comparable; with what watches told when `is_heard`. Raises UncertainTimeError."""
    real, embedded = Real(server, kinds, place), Embedded(store, kinds, place)
    used = [name for name in kinds if any(step.kind == name for step in steps) and name != "namespace"]
    begin = Step("post", "namespace", body={"metadata": {"name": "<place>"}}, manager="set-up")
    at_second(clock)
    real.ask(begin)
    await embedded.ask(begin)
    since = {name: real.listing(kinds[name])[0] for name in used}
    records = Record([], {}, {}), Record([], {}, {})
    async with embedded.watching(used):
        for step in steps:
            if step.do == "wait":
                time.sleep(1.01 - time.time() % 1)
                continue
            second = at_second(clock)
            records[0].answers.append(real.ask(step))
            if int(time.time()) != second:
                raise UncertainTimeError
            records[1].answers.append(await embedded.ask(step))
            await embedded.catch_up()
        for name in used:
            records[0].objects[name] = real.listing(kinds[name])[1]
            records[1].objects[name] = await embedded.listing(kinds[name])
        is_going = any(step.do == "delete" and step.kind == "namespace" for step in steps)
        ended: set[str] = set()
        for name in used if is_heard and not is_going else ():
            end = Step("post", name, body=_sentinel(real, kinds[name]), manager="set-up")
            if kinds[name].resource not in ended:
                for answer in (real.ask(end), await embedded.ask(end)):
                    assert "object" in answer, answer
            ended.add(kinds[name].resource)
            records[0].events[name] = real.events(kinds[name], since[name])
            records[1].events[name] = await embedded.events(name)
    return _plain(real, records[0]), _plain(embedded, records[1])


def _sentinel(side: Side, kind: Kind) -> dict[str, Any]:
    name = SENTINEL if kind.namespaced else side.cluster_name(SENTINEL)
    body: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}}
    if kind.kind == "Deployment":
        labels = {"matchLabels": {"a": "b"}}
        pod = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "a", "image": "b"}]}}
        body["spec"] = {"selector": labels, "template": pod}
    return body


def at_second(clock: MovingClock) -> int:
    """Not just before the next one."""
    rest = 1 - time.time() % 1
    if rest < 0.08:
        time.sleep(rest + 0.001)
    clock.seconds = int(time.time())
    return clock.seconds


def _plain(side: Side, record: Record) -> Record:
    plain: dict[str, Any] = side.plain(msgspec.to_builtins(record))
    return Record(**plain)


def compare(steps: Sequence[Step], real: Record, embedded: Record) -> list[str]:
    """What differs, the first difference first; empty when the two said the same."""
    found = []
    asked = [step for step in steps if step.do != "wait"]
    for number, step in enumerate(asked):
        found += [
            f"step {number} ({step.do} {step.kind} {step.name}) {line}"
            for line in differences(real.answers[number], embedded.answers[number], "")
        ]
    for name in real.objects:
        found += [
            f"{name} in the end {line}"
            for line in differences(real.objects[name], embedded.objects[name], "")
        ]
    for name in real.events:
        found += [
            f"watch of {name} {line}"
            for line in differences(real.events[name], embedded.events.get(name), "")
        ]
    return found


def _sorted(told: Any) -> Any:
    """Problems of several fields come in any order: a server walks maps."""
    if isinstance(told, str):
        head, bracket, rest = told.partition(" is invalid: [")
        return [head, *sorted(rest.removesuffix("]").split(", "))] if bracket else told
    return sorted(set(map(json.dumps, told))) if isinstance(told, list) else told


def differences(real: Any, ours: Any, path: str) -> list[str]:
    """Where two values differ, one line for each place."""
    if isinstance(real, dict) and isinstance(ours, dict):
        return [
            line
            for name in sorted(real.keys() | ours.keys())
            for line in differences(real.get(name, "<absent>"), ours.get(name, "<absent>"), f"{path}.{name}")
        ]
    if (
        isinstance(real, list)
        and isinstance(ours, list)
        and not path.endswith(".causes")
        and len(real) == len(ours)
    ):
        return [
            line
            for index, (one, other) in enumerate(zip(real, ours, strict=True))
            for line in differences(one, other, f"{path}[{index}]")
        ]
    if path.endswith((".status.message", ".causes")) and _sorted(real) == _sorted(ours):
        return []
    if real == ours and isinstance(real, bool) == isinstance(ours, bool):
        return []
    return [f"{path}:\n    real: {json.dumps(real)}\n    ours: {json.dumps(ours)}"]
