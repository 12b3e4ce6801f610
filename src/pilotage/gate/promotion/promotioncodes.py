"""The codes of promotion by digest, with their meaning in one sentence: the policy, verification, and what refuses a promotion.

Answers of decisions are written in lower case with dashes, errors as everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CODES"]

CODES: Mapping[str, Mapping[str, str]] = {
    "why the policy denies a promotion": {
        "digest-pinned": "The image is not named by the digest that was tested. Cannot be exempted.",
        "source-registry-allowed": "The image comes from a registry that the policy does not list.",
        "required-jobs-complete": "A required job did not pass on this digest. Cannot be exempted.",
        "snapshot-type": "The Snapshot is neither of a component nor an override that the gate takes.",
        "signature-present": "No signature by the key of the policy is there.",
        "provenance-present": "No statement of how the image was built is there.",
        "arches-complete": "The index lacks a platform that the policy names.",
        "max-age": "The image is older than the policy allows.",
        "freeze-window": "Waits: the Gate promotes nothing in this time.",
        "not-yanked": "Somebody took the image back. Cannot be exempted.",
        "two-person": "Waits: nobody but who started the run has approved it.",
    },
    "what verifying an image answers": {
        "accepted": "It passed the gate of the platform, and nobody has taken it back.",
        "no-attestation": "Nothing beside the image says that it passed.",
        "not-accepted": "Attestations are there, and none of them counts.",
        "revoked": "A person took it back; the reason is told.",
        "bad-platform": "The platform can have no gate.",
        "bad-digest": "The digest can have no canonical tag.",
    },
    "why an attestation does not count": {
        "malformed": "It is no signed statement, or the statement lacks what it must say.",
        "unknown-key": "Another key signed it.",
        "bad-signature": "The signature is not of these bytes.",
        "wrong-subject": "It is about another digest.",
        "other-predicate": "It says something else than that an image passed or was taken back.",
        "other-platform": "It is for another platform.",
        "wrong-tag": "It speaks of another tag than that of the platform and the digest.",
        "not-passed": "Its result is not PASSED.",
        "bad-timestamp": "Its time cannot be read.",
        "future-timestamp": "Its time is to come, beyond what clocks may differ.",
        "outdated": "A newer statement about the image holds.",
        "reinstated": "It gives the image back, and says nothing about tests.",
    },
    "why nothing is promoted, taken back or given back": {
        "ArchitecturesMissing": "The registry lists fewer platforms than the policy wants.",
        "BadDigest": "A run, or its Gate, names the image by something that makes no tag.",
        "CopyDiffers": "The registry converts images: what it keeps is not what was tested.",
        "KeyExists": "Keys of this name are there already, and are not overwritten.",
        "KeyInvalid": "A file or field holds no key that can be used.",
        "KeyMissing": "The instance has no key of its own; name the one that signs attestations with --key.",
        "NotPromoted": "The image was never promoted for the platform, so nobody can go back to it.",
        "NotYanked": "The image is not yanked, so it cannot be given back.",
        "TagConflict": "The canonical tag names another digest; it is never overwritten.",
        "UnknownImage": "No image of the gate is called so.",
        "Yanked": "The image is yanked; give it back first.",
        "YankedByManifest": "The image is yanked by the manifest of its Gate, where a person must take it out.",
    },
}
