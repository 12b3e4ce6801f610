"""The ledger where nothing of ours is installed: our kinds, kept in ConfigMaps of a Konflux tenant.

    Gate           gate-<platform>-definition, which GitOps applies; what became of it in gate-<platform>-state
    VersionMatrix  beside the Gate that names it
    GateRun        gate-<platform>-<run>: the whole run as JSON under one key
    Promotion      not written: a run that was promoted, or a Release of ours that succeeded, is one
    Alert          gate-alert-<name>
    Notification   gate-note-<name>

To its users it is a store like any other, so ticks, walks and alarms run on it unchanged. An object has the version of its
ConfigMap: a write onto an older one is a conflict, as everywhere. Kinds that are not ours are asked of the cluster itself.

A ConfigMap holds less than 1 MiB. Long before that the oldest events of a run are folded into one that counts them; attempts,
results and the verdict are never dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
import orjson

from pilotage.api import yaml
from pilotage.api.core import CONFIG_MAP
from pilotage.api.errors import InputError
from pilotage.api.gate import (
    ALERT,
    GATE,
    GATE_RUN,
    NOTIFICATION,
    PLATFORM_LABEL,
    PROMOTION,
    VERSION_MATRIX,
    GateRun,
    PromotionSpec,
)
from pilotage.api.meta import Kind, Object, ObjectKey
from pilotage.gate.konflux.definition import GATE_KEY, MATRIX_KEY
from pilotage.gate.konflux.target import CONFIG_MAP_LABEL, MANAGED_BY
from pilotage.store.base import AlreadyExistsError, ConflictError, Listing, NotFoundError

__all__ = ["LARGEST", "ClusterPort", "ConfigMapLedger", "fold_events", "promotion_of"]

LARGEST: Final = 900 << 10
"""Bytes of JSON in one ConfigMap; the API server takes a little more than 1000 KiB."""

_MANAGER: Final = "pilotage-gate"
_KEY: Final = "object.json"
_PREFIX: Final[Mapping[str, str]] = {
    GATE_RUN.kind: "gate-",
    ALERT.kind: "gate-alert-",
    NOTIFICATION.kind: "gate-note-",
}
_LABEL: Final[Mapping[str, str]] = {
    GATE_RUN.kind: "run",
    ALERT.kind: "alert",
    NOTIFICATION.kind: "notification",
}
_DEFINITION: Final = "definition"
_STATE: Final = "state"
_FOLDED: Final = "Folded"


class ClusterPort(Protocol):
    """The part of a store that the ledger needs of a cluster."""

    async def get(self, kind: Kind, key: ObjectKey) -> Object: ...

    async def list(
        self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None
    ) -> Listing: ...

    async def create(self, kind: Kind, manifest: Mapping[str, Any], *, manager: str) -> Object: ...

    async def apply(
        self, kind: Kind, key: ObjectKey, manifest: Mapping[str, Any], *, manager: str, force: bool = False
    ) -> Object: ...

    async def delete(self, kind: Kind, key: ObjectKey) -> None: ...


class ConfigMapLedger:
    """`LedgerStore`, `TickStore`, `PromotionStore`, `WatchmanStore` and `OutboxStore` over ConfigMaps.

    `promotions` adds what is known of promotions elsewhere, such as from Release objects.
    """

    def __init__(
        self, cluster: ClusterPort, *, promotions: Callable[[], Sequence[PromotionSpec]] = tuple
    ) -> None:
        self._cluster = cluster
        self._promotions = promotions

    async def get(self, kind: Kind, key: ObjectKey) -> Object:
        """Raises NotFoundError; InputError `MalformedLedger` when a ConfigMap holds something else."""
        if kind == GATE:
            return await self._gate(key)
        if kind == VERSION_MATRIX:
            return await self._matrix(key)
        if kind.kind not in _PREFIX:
            return await self._cluster.get(kind, key)
        try:
            return _object(kind, await self._cluster.get(CONFIG_MAP, _place(kind, key)))
        except NotFoundError:
            raise NotFoundError(kind, key) from None

    async def list(self, kind: Kind, namespace: str = "", labels: Mapping[str, str] | None = None) -> Listing:
        if kind == PROMOTION:
            return await self._promoted(namespace, labels or {})
        if kind == GATE:
            found = await self._cluster.list(
                CONFIG_MAP, namespace, {CONFIG_MAP_LABEL: _DEFINITION, **(labels or {})}
            )
            gates = [
                await self._gate(ObjectKey(each.meta.namespace, each.labels[PLATFORM_LABEL]))
                for each in found.items
                if PLATFORM_LABEL in each.labels
            ]
            return Listing(tuple(gates), found.resource_version)
        if kind.kind not in _PREFIX:
            return await self._cluster.list(kind, namespace, labels)
        wanted = {CONFIG_MAP_LABEL: _LABEL[kind.kind], **(labels or {})}
        found = await self._cluster.list(CONFIG_MAP, namespace, wanted)
        return Listing(tuple(_object(kind, each) for each in found.items), found.resource_version)

    async def create(self, kind: Kind, manifest: Mapping[str, Any], *, manager: str) -> Object:
        """Raises AlreadyExistsError."""
        if kind.kind not in _PREFIX:
            return await self._cluster.create(kind, manifest, manager=manager)
        metadata = manifest["metadata"]
        key = ObjectKey(metadata.get("namespace", ""), metadata["name"])
        body = _body(kind, key, manifest.get("spec"), manifest.get("status"))
        try:
            made = await self._cluster.create(
                CONFIG_MAP, _config_map(kind, key, metadata, body), manager=_MANAGER
            )
        except AlreadyExistsError:
            raise AlreadyExistsError(kind, key) from None
        return _object(kind, made)

    async def patch_status(
        self,
        kind: Kind,
        key: ObjectKey,
        status: Mapping[str, Any],
        *,
        manager: str,
        resource_version: str = "",
    ) -> Object:
        """The status in place of the one that is there. Raises ConflictError, NotFoundError."""
        if kind == GATE:
            return await self._write_state(key, status, resource_version)
        if kind.kind not in _PREFIX:
            raise InputError("BadLedger", f"{manager} has no business in the status of {kind.resource} {key}")
        before = await self._config_map(kind, key)
        if resource_version and before.meta.resource_version != resource_version:
            raise ConflictError(f'{kind.resource} "{key.name}": it was written meanwhile')
        held = _held(before)
        body = _body(kind, key, held.get("spec"), status)
        return _object(kind, await self._write(kind, before, body, {}))

    async def apply(
        self,
        kind: Kind,
        key: ObjectKey,
        manifest: Mapping[str, Any],
        *,
        manager: str,
        force: bool = False,
    ) -> Object:
        """Of our own kinds only labels and annotations are changed this way. Raises ConflictError, NotFoundError."""
        if kind.kind not in _PREFIX:
            return await self._cluster.apply(kind, key, manifest, manager=manager, force=force)
        before = await self._config_map(kind, key)
        return _object(kind, await self._write(kind, before, _text(before), manifest.get("metadata", {})))

    async def delete(self, kind: Kind, key: ObjectKey) -> None:
        """Raises NotFoundError."""
        if kind.kind in _PREFIX:
            await self._cluster.delete(CONFIG_MAP, _place(kind, key))
        else:
            await self._cluster.delete(kind, key)

    # -- one ConfigMap ----------------------------------------------------------------------------------------------

    async def _config_map(self, kind: Kind, key: ObjectKey) -> Object:
        try:
            return await self._cluster.get(CONFIG_MAP, _place(kind, key))
        except NotFoundError:
            raise NotFoundError(kind, key) from None

    async def _write(self, kind: Kind, before: Object, body: str, metadata: Mapping[str, Any]) -> Object:
        """Onto exactly the state that was read: its version and identity are preconditions."""
        meta = before.meta
        wanted: dict[str, Any] = {
            "name": meta.name,
            "namespace": meta.namespace,
            "uid": meta.uid,
            "resourceVersion": meta.resource_version,
            "labels": {**(meta.labels or {}), **metadata.get("labels", {})},
        }
        if metadata.get("annotations"):
            wanted["annotations"] = metadata["annotations"]
        manifest = {"metadata": wanted, "data": {_KEY: body}}
        try:
            return await self._cluster.apply(CONFIG_MAP, before.key, manifest, manager=_MANAGER, force=True)
        except NotFoundError:
            raise NotFoundError(
                kind, ObjectKey(meta.namespace, meta.name.removeprefix(_PREFIX[kind.kind]))
            ) from None

    # -- gates --------------------------------------------------------------------------------------------------------

    async def _gate(self, key: ObjectKey) -> Object:
        """What people wrote, and what became of it since: two ConfigMaps, because two parties write them."""
        try:
            definition = await self._cluster.get(
                CONFIG_MAP, ObjectKey(key.namespace, f"gate-{key.name}-{_DEFINITION}")
            )
        except NotFoundError:
            raise NotFoundError(GATE, key) from None
        manifest = _loaded(definition, GATE_KEY)
        state = await self._state(key)
        metadata = {
            "name": key.name,
            "namespace": key.namespace,
            "uid": definition.meta.uid,
            "creationTimestamp": definition.meta.creation_timestamp,
            "labels": dict(definition.labels),
            "resourceVersion": state.meta.resource_version if state else "",
        }
        status = _held(state).get("status", {}) if state else {}
        return Object.of({**manifest, "metadata": metadata, "status": status})

    async def _state(self, key: ObjectKey) -> Object | None:
        try:
            return await self._cluster.get(CONFIG_MAP, ObjectKey(key.namespace, f"gate-{key.name}-{_STATE}"))
        except NotFoundError:
            return None

    async def _write_state(self, key: ObjectKey, status: Mapping[str, Any], version: str) -> Object:
        body = orjson.dumps({"status": status}).decode()
        state = await self._state(key)
        if (state.meta.resource_version if state else "") != version:
            raise ConflictError(f'{GATE.resource} "{key.name}": its state was written meanwhile')
        labels = {
            "app.kubernetes.io/managed-by": MANAGED_BY,
            CONFIG_MAP_LABEL: _STATE,
            PLATFORM_LABEL: key.name,
        }
        name = f"gate-{key.name}-{_STATE}"
        metadata: dict[str, Any] = {"name": name, "namespace": key.namespace, "labels": labels}
        manifest = {
            "apiVersion": CONFIG_MAP.api_version,
            "kind": CONFIG_MAP.kind,
            "metadata": metadata,
            "data": {_KEY: body},
        }
        if state is None:
            try:
                await self._cluster.create(CONFIG_MAP, manifest, manager=_MANAGER)
            except AlreadyExistsError:
                raise ConflictError(
                    f'{GATE.resource} "{key.name}": its state was written meanwhile'
                ) from None
        else:
            metadata |= {"uid": state.meta.uid, "resourceVersion": state.meta.resource_version}
            await self._cluster.apply(CONFIG_MAP, state.key, manifest, manager=_MANAGER, force=True)
        return await self._gate(key)

    async def _matrix(self, key: ObjectKey) -> Object:
        found = await self._cluster.list(CONFIG_MAP, key.namespace, {CONFIG_MAP_LABEL: _DEFINITION})
        for each in found.items:
            if MATRIX_KEY in _data(each):
                manifest = _loaded(each, MATRIX_KEY)
                if manifest.get("metadata", {}).get("name") == key.name:
                    return Object.of(manifest)
        raise NotFoundError(VERSION_MATRIX, key)

    # -- promotions ---------------------------------------------------------------------------------------------------

    async def _promoted(self, namespace: str, labels: Mapping[str, str]) -> Listing:
        """Runs that were promoted, and what is known from elsewhere, each digest once."""
        runs = await self.list(GATE_RUN, namespace, labels)
        specs = [
            promotion_of(run)
            for run in (each.view(GateRun) for each in runs.items)
            if run.status.state == "promoted" and run.spec.run_class != "test"
        ]
        platform = labels.get(PLATFORM_LABEL, "")
        known = {(each.platform, each.digest) for each in specs}
        specs += [
            each
            for each in self._promotions()
            if platform in ("", each.platform) and (each.platform, each.digest) not in known
        ]
        return Listing(tuple(_promotion(namespace, each) for each in specs), runs.resource_version)


def promotion_of(run: GateRun) -> PromotionSpec:
    """The promotion that a promoted run is."""
    intent = run.status.promotion
    return PromotionSpec(
        platform=run.spec.platform,
        digest=run.spec.digest,
        repository="",
        tag=intent.tag if intent else "",
        run=run.metadata.name,
        at=run.status.finished_at,
        by=run.spec.trigger.by or run.spec.trigger.kind,
        snapshot=run.spec.snapshot.name,
        built_at=run.spec.snapshot.created,
        revision=run.spec.revision,
        release_ref=intent.release if intent else "",
    )


def fold_events(events: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The older half of the events about jobs as one that counts them; of all events when none is about a job."""
    foldable = [each for each in events if each.get("job") or each.get("type") == _FOLDED]
    if not any(each.get("job") for each in foldable):
        foldable = list(events)
    gone = foldable[: max(2, len(foldable) // 2)]
    count = sum(int(each["message"].split()[0]) if each.get("type") == _FOLDED else 1 for each in gone)
    ids = {id(each) for each in gone}
    folded = (
        {"at": gone[-1].get("at", ""), "type": _FOLDED, "message": f"{count} older events"} if gone else {}
    )
    return [*([folded] if folded else []), *(each for each in events if id(each) not in ids)]


def _body(kind: Kind, key: ObjectKey, spec: Any, status: Any) -> str:
    """Raises InputError `LedgerFull` when even without old events it is too large."""
    while True:
        value = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            "metadata": {"name": key.name},
            "spec": spec or {},
            "status": status or {},
        }
        body = orjson.dumps(value)
        if len(body) <= LARGEST:
            return body.decode()
        events = (status or {}).get("events", ())
        if len(events) < 2:
            raise InputError(
                "LedgerFull",
                f"{kind.kind} {key}: {len(body)} bytes do not fit into a ConfigMap",
                hint="let the gate run fewer jobs, or split it",
            )
        status = {**status, "events": fold_events(events)}


def _config_map(kind: Kind, key: ObjectKey, metadata: Mapping[str, Any], body: str) -> dict[str, Any]:
    given = {name: metadata[name] for name in ("annotations", "ownerReferences") if metadata.get(name)}
    labels = {
        "app.kubernetes.io/managed-by": MANAGED_BY,
        CONFIG_MAP_LABEL: _LABEL[kind.kind],
        **(metadata.get("labels") or {}),
    }
    place = _place(kind, key)
    return {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": CONFIG_MAP.kind,
        "metadata": {"namespace": place.namespace, "name": place.name, "labels": labels, **given},
        "data": {_KEY: body},
    }


def _place(kind: Kind, key: ObjectKey) -> ObjectKey:
    return ObjectKey(key.namespace, _PREFIX[kind.kind] + key.name)


def _object(kind: Kind, config_map: Object) -> Object:
    """What the ConfigMap holds, with the identity and the version of the ConfigMap."""
    meta, held = config_map.meta, _held(config_map)
    metadata = {
        "name": meta.name.removeprefix(_PREFIX[kind.kind]),
        "namespace": meta.namespace,
        "uid": meta.uid,
        "resourceVersion": meta.resource_version,
        "creationTimestamp": meta.creation_timestamp,
        "labels": dict(config_map.labels),
        "annotations": dict(config_map.annotations),
    }
    return Object.of({**held, "metadata": metadata})


def _held(config_map: Object) -> dict[str, Any]:
    try:
        held = orjson.loads(_text(config_map))
    except orjson.JSONDecodeError as error:
        raise _malformed(config_map, _KEY, str(error)) from None
    if not isinstance(held, dict):
        raise _malformed(config_map, _KEY, "it is no JSON object")
    return held


def _loaded(config_map: Object, name: str) -> dict[str, Any]:
    value = yaml.load(_data(config_map).get(name, ""))
    if not isinstance(value, dict):
        raise _malformed(config_map, name, "it is no YAML mapping")
    return value


def _text(config_map: Object) -> str:
    return _data(config_map).get(_KEY, "")


def _data(config_map: Object) -> Mapping[str, str]:
    data = config_map.value().get("data")
    return data if isinstance(data, dict) else {}


def _malformed(config_map: Object, name: str, problem: str) -> InputError:
    return InputError(
        "MalformedLedger",
        f"ConfigMap {config_map.key}: {name}: {problem}",
        hint="it is written by the gate alone; restore it from a backup, or delete it to start afresh",
    )


def _promotion(namespace: str, spec: PromotionSpec) -> Object:
    return Object.of(
        {
            "apiVersion": PROMOTION.api_version,
            "kind": PROMOTION.kind,
            "metadata": {"namespace": namespace, "name": spec.tag, "labels": {PLATFORM_LABEL: spec.platform}},
            "spec": msgspec.to_builtins(spec),
        }
    )
