"""An image that was tested, and the order to promote it: what tests of promotion by digest stand on."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from pilotage.api.gate import (
    AttemptRecord,
    Gate,
    GateRun,
    GateRunSpec,
    GateRunStatus,
    GateSpec,
    JobRecord,
    MatrixCell,
    PolicySettings,
    RunJob,
    SnapshotPin,
    TriggerRecord,
)
from pilotage.api.meta import Meta
from pilotage.gate.promotion.keys import SigningKey
from pilotage.gate.promotion.promoting import PromotionOrder
from pilotage.gate.promotion.tags import TagRequest, tags_of
from pilotage.images.digests import digest_of
from pilotage.images.layers.build import Entry, pack, push_image, push_index
from pilotage.images.reference import Reference, parse
from pilotage.images.source import OCI_MANIFEST, Descriptor, Manifest, Platform

HERE = parse("quay.example.org/build/operator")
VERIFIED = "quay.example.org/verified/operator"
NOW = datetime(2026, 6, 11, 7, 0, tzinfo=UTC)
EVALUATED = "2026-06-11T06:58:03Z"
REVISION = "0123456789abcdef0123456789abcdef01234567"
AMD64, ARM64 = Platform("amd64", "linux"), Platform("arm64", "linux")

KEY = SigningKey.of_pem(
    b"-----BEGIN PRIVATE KEY-----\n"
    + base64.b64encode(bytes.fromhex("302e020100300506032b657004220420") + bytes(range(32)))
    + b"\n-----END PRIVATE KEY-----\n"
)
"""An Ed25519 key whose secret is 0, 1, 2, ...: worth nothing, and the same in every test."""


async def stream(raw: bytes):
    yield raw


async def push_operator(target, reference: Reference = HERE, name: str = "v1") -> Manifest:
    """An operator image for two architectures, tagged `name`."""
    # Not compressed: the bytes of gzip differ between machines, and digests with them.
    shared = pack([Entry("etc/shared", b"shared")], compression="none")
    children = []
    for platform in (AMD64, ARM64):
        layer = pack([Entry(f"usr/bin/{name}", f"{name} {platform}".encode() * 50)], compression="none")
        children.append((await push_image(target, reference, [shared, layer], platform=platform), platform))
    return await push_index(target, reference, children, tag=name)


async def push_cosign_signature(target, reference: Reference, digest: str, key: SigningKey) -> Manifest:
    """What `cosign sign --key` pushes under the tag `sha256-<hex>.sig`."""
    payload = json.dumps(
        {
            "critical": {
                "identity": {"docker-reference": reference.name},
                "image": {"docker-manifest-digest": digest},
                "type": "cosign container image signature",
            },
            "optional": None,
        }
    ).encode()
    signature = base64.b64encode(key.sign(payload)).decode()
    layer = Descriptor(
        "application/vnd.dev.cosign.simplesigning.v1+json",
        digest_of(payload),
        len(payload),
        annotations={"dev.cosignproject.cosign/signature": signature},
    )
    return await push_document(target, reference, layer, payload, tag=f"{digest.replace(':', '-')}.sig")


async def push_document(
    target, reference: Reference, layer: Descriptor, content: bytes, *, tag: str = "", **more: Any
) -> Manifest:
    """One layer in a manifest of its own."""
    config = b'{"architecture":"","os":""}'
    described = Descriptor("application/vnd.oci.image.config.v1+json", digest_of(config), len(config))
    for descriptor, raw in ((described, config), (layer, content)):
        await target.put_blob(reference, descriptor, stream(raw))
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, **more}
    raw = json.dumps(
        document | {"config": as_json(described), "layers": [as_json(layer)]}, separators=(",", ":")
    ).encode()
    manifest = Manifest(OCI_MANIFEST, digest_of(raw), raw)
    await target.put_manifest(reference, manifest, tag)
    return manifest


def as_json(descriptor: Descriptor) -> dict[str, Any]:
    known = {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size}
    return known | ({"annotations": descriptor.annotations} if descriptor.annotations else {})


def run_of(digest: str, platform: str = "aro-hcp", image: str = "", **status: Any) -> GateRun:
    """A run that passed: two required jobs, one of them at the second attempt, and an informing one that failed."""

    def attempts(*results: str) -> tuple[AttemptRecord, ...]:
        return tuple(
            AttemptRecord(
                number,
                f"key-{number}",
                image=digest,
                id=f"prow-{number}",
                url=f"https://prow.example.org/view/{number}",
                triggered_at="2026-06-11T03:16:00Z",
                result=result,
                completed_at="2026-06-11T06:00:00Z",
            )
            for number, result in enumerate(results, 1)
        )

    jobs = (
        RunJob("e2e-azure"),
        RunJob("e2e-upgrade", cell=MatrixCell("4.20.3", "4.20.3", ("latest",))),
        RunJob("e2e-slow", type="informing", phase=3),
    )
    records = (
        JobRecord("e2e-azure", attempts("passed")),
        JobRecord("e2e-upgrade", attempts("infra_error", "passed")),
        JobRecord("e2e-slow", attempts("failed")),
    )
    return GateRun(
        GateRunSpec(
            platform=platform,
            snapshot=SnapshotPin(
                "tenant", "snapshot-1", uid="1", spec_hash="ab" * 32, created="2026-06-10T20:00:00Z"
            ),
            image=image or f"{HERE.name}@{digest}",
            digest=digest,
            trigger=TriggerRecord("2026-06-11T03:15Z"),
            jobs=jobs,
            created_at="2026-06-11T03:15:05Z",
            deadline="2026-06-11T08:35:05Z",
            revision=REVISION,
            tests_image=f"quay.example.org/tests/hypershift-tests@sha256:{'7' * 64}",
        ),
        Meta(namespace="gates", name=f"{platform}-0123456789abcdef"),
        GateRunStatus(
            **{
                "state": "promoting",
                "verdict": "passed",
                "evaluated_at": EVALUATED,
                "jobs": records,
                **status,
            }
        ),
    )


def gate_of(
    platform: str = "aro-hcp", repository: str = VERIFIED, policy: PolicySettings | None = None, **spec: Any
) -> Gate:
    return Gate(
        GateSpec(
            platform=platform,
            display_name=platform.upper(),
            verified_repository=repository,
            owners=("hcp-team",),
            policy=policy or PolicySettings(),
            **spec,
        ),
        Meta(namespace="gates", name=platform),
    )


def order_of(digest: str, platform: str = "aro-hcp", image: str = "", **more: Any) -> PromotionOrder:
    """The order to promote `digest`. `more` are fields of the order."""
    tags = tags_of(TagRequest(platform, digest, REVISION)).value
    assert tags is not None
    gate = more.pop("gate", None) or gate_of(platform, more.get("repository", VERIFIED))
    fields = {"repository": VERIFIED, "tag": tags.tag, "aliases": tags.aliases, **more}
    run = fields.pop("run", None) or run_of(digest, platform, image)
    return PromotionOrder(
        platform=platform, image=run.spec.image, digest=digest, run=run, gate=gate, **fields
    )
