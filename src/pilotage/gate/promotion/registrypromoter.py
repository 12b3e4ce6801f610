"""Promotion at registries: the tested digest, whole and unchanged, under the tag of its platform, with the reason attached.

    resolve    the source names the digest that was tested
    copy       by digest, children first, with every companion: referrers, cosign tags
    compare    what the repository holds now, byte for byte
    tag        the canonical tag, when it is not there; never over another digest
    verify     the tag names the digest, and the index lists what the policy wants
    attest     test result and verification summary, signed, as referrers
    aliases    moved last, and not by `promote`: the promotion is committed in between

Each step is idempotent and nothing is remembered between them: killed anywhere, the same call ends the same. Works on anything that is
an image source and an image target, so on registries and on an OCI layout alike. No credential is ever held here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

from pilotage.api.errors import InputError, RefusedError
from pilotage.gate.promotion.attestation import attest
from pilotage.gate.promotion.imagefacts import observe_image, platforms_of
from pilotage.gate.promotion.keys import PublicKey, SigningKey
from pilotage.gate.promotion.policy import PolicyFacts, denials, missing_platforms
from pilotage.gate.promotion.promoting import PromotionOrder
from pilotage.gate.promotion.statements import Statement, test_result, verification_summary
from pilotage.gate.promotion.verifiedrepository import (
    TagConflictError,
    move_tag,
    named_by,
    refusing,
    repository_of,
    write_canonical,
)
from pilotage.images.copy import copy_image
from pilotage.images.reference import Reference
from pilotage.images.reference import parse as parse_reference
from pilotage.images.source import ImageSource, ImageTarget, Manifest

__all__ = ["VERIFIER", "RegistryPromoter"]

VERIFIER: Final = "https://gate.pilotage.dev/verifier"
"""Who says that an image passed, unless the operator of the gate names somebody else."""


class RegistryPromoter:
    """The promoter (`promoting.Promoter`) of everything that is no rehearsal.

    `source` and `target` give the place for a reference: of the image that was tested, and of the verified repository. They are asked
    for each promotion and own what they give. `key` signs the attestations; consumers verify with its public half.
    """

    def __init__(
        self,
        source: Callable[[Reference], ImageSource],
        target: Callable[[Reference], ImageTarget],
        key: SigningKey,
        *,
        verifier: str = VERIFIER,
    ) -> None:
        self._source = source
        self._target = target
        self._key = key
        self._verifier = verifier

    async def denied(self, order: PromotionOrder, now: datetime) -> tuple[tuple[str, str], ...]:
        """The points of the policy that say no, with their reasons. Raises InputError `KeyInvalid`, ImageError."""
        policy = order.gate.spec.policy
        pem = policy.signature_key
        name = f"Gate {order.platform}: spec.policy.signatureKey"
        key = PublicKey.of_pem(pem.encode(), name) if pem else None
        with refusing():
            image = _tested(order)
            facts = await observe_image(
                self._source(image), image, key=key, reads_provenance=policy.require_provenance
            )
        return denials(
            PolicyFacts(
                image=order.image,
                digest=order.digest,
                run=order.run,
                gate=order.gate.spec,
                now=now,
                facts=facts,
                snapshot_type=order.snapshot_type,
                approvals=order.approvals,
            )
        )

    async def promote(self, order: PromotionOrder) -> str:
        """Steps one to six; the digest of the verification summary's artifact.

        Raises TagConflictError, RefusedError `CopyDiffers` or `ArchitecturesMissing`, InputError for what no repetition helps, and
        ImageError for a registry that may do better next time.
        """
        place = repository_of(order.repository)
        with refusing():
            target, image = self._target(place), place.at(order.digest)
            manifest = await self._copy(order, target, place)
            await write_canonical(target, place.tagged(order.tag), manifest)
            await self._verify(order, target, place, manifest)
            return await self._attest(order, target, image)

    async def move_aliases(self, order: PromotionOrder, digest: str) -> None:
        """Let the aliases name `digest`. Going back to an older image moves only `PLATFORM-latest`: an alias that is named after a
        commit never names the image of another one.
        """
        place = repository_of(order.repository)
        latest = f"{order.platform}-latest"
        with refusing():
            target = self._target(place)
            for alias in order.aliases:
                if digest == order.digest or alias == latest:
                    await move_tag(target, place.tagged(alias), digest)

    async def _copy(self, order: PromotionOrder, target: ImageTarget, place: Reference) -> Manifest:
        """Steps one to three. The manifest as the repository holds it."""
        image = _tested(order)
        source = self._source(image)
        wanted = await source.manifest(image, order.digest)
        # Another platform may have promoted the image before, and somebody signed it there.
        await copy_image(source, image, target, place, keeps_signatures=True)
        found = await target.manifest(place.at(order.digest), order.digest)
        if (found.raw, found.media_type) != (wanted.raw, wanted.media_type):
            raise RefusedError(
                "CopyDiffers",
                f"{place.at(order.digest)}: the registry keeps it as {found.media_type}, the source as {wanted.media_type}",
                hint="the registry converts images; promote to one that keeps them as they are",
            )
        return found

    async def _verify(
        self, order: PromotionOrder, target: ImageTarget, place: Reference, manifest: Manifest
    ) -> None:
        """What the registry says now, not what it was told."""
        tag = place.tagged(order.tag)
        found = await named_by(target, tag)
        if found != order.digest:
            raise TagConflictError(tag, order.digest, found or "nothing")
        policy = order.gate.spec.policy
        if not policy.architectures or any(each.rule == "arches-complete" for each in policy.exemptions):
            return  # an exemption that is over was noticed by `denied`
        platforms = await platforms_of(target, place.at(order.digest), manifest)
        missing = missing_platforms(policy, platforms)
        if missing:
            raise RefusedError(
                "ArchitecturesMissing",
                f"{tag}: {', '.join(missing)} missing, there is {', '.join(platforms)}",
            )

    async def _attest(self, order: PromotionOrder, target: ImageTarget, image: Reference) -> str:
        """The jobs first, then the summary that names them: who finds the summary finds both."""
        run, repository = order.run, order.repository
        say = partial(
            attest,
            target,
            image,
            key=self._key,
            platform=order.platform,
            run=run.metadata.name,
            created=run.status.evaluated_at,
        )
        jobs = test_result(run, repository)
        jobs_digest = await say(jobs, is_same=_of_same_run(jobs))
        summary = verification_summary(
            run,
            order.gate.spec,
            repository,
            order.tag,
            verifier=self._verifier,
            test_result_digest=jobs_digest,
        )
        return await say(summary, is_same=_of_same_run(summary))


def _of_same_run(statement: Statement) -> Callable[[Statement], bool]:
    """A statement of the same kind about the same run: informing jobs may have ended since it was made, and the verdict stands."""
    names = ("pilotage_run", "pilotage_platform")
    wanted = [statement.predicate.get(name) for name in names]

    def is_same(other: Statement) -> bool:
        return other.predicate_type == statement.predicate_type and wanted == [
            other.predicate.get(name) for name in names
        ]

    return is_same


def _tested(order: PromotionOrder) -> Reference:
    """The image by the digest that was tested. Raises InputError when the run names it otherwise."""
    reference = parse_reference(order.image)
    if reference.digest not in ("", order.digest):
        raise InputError(
            "BadDigest", f"{order.image}: the run tested {order.digest}", hint="run the gate on it again"
        )
    return reference.at(order.digest)
