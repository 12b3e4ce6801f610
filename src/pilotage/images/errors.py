"""What can go wrong with an image, by code. The codes are those of the release payload rules (`docs/reference/errors.md`).

One exception type with the reference as it was given, every candidate that was tried with its own cause, and a hint.
No credential and no document body ever stands in a message.
"""

from __future__ import annotations

import msgspec

from pilotage.api.errors import PilotageError

__all__ = ["CODES", "Attempt", "ImageError"]

CODES = {
    "InvalidReference": "The image reference does not parse.",
    "PullSecretUnavailable": "The pull secret, or its key, is missing.",
    "PullSecretInvalid": "The pull secret is not a dockerconfigjson document.",
    "RegistryUnreachable": "The registry did not answer: name, connection, TLS or time-out.",
    "Unauthorized": "The registry refused every matching credential and anonymous access.",
    "NotFound": "Tag, digest or repository are missing at every candidate.",
    "ContentIntegrity": "The bytes do not hash to the digest that was asked for.",
    "UnsupportedManifest": "The manifest has a media type that is no image.",
    "NoMatchingPlatform": "The image index has no entry for the wanted platform.",
    "MissingPayloadFile": "A release payload lacks a file that must be there.",
    "NotAReleasePayload": "The image is no release payload.",
    "MalformedPayloadFile": "A file of the release payload does not parse.",
    "InvalidReleaseVersion": "The release version is not a semantic version.",
    "ComponentMissing": "The release payload has no such component.",
    "StreamNotFound": "The release payload has no boot images for this OS stream.",
    "ComponentVersionInvalid": "A component version annotation does not parse.",
    "ComponentVersionConflict": "Several versions or display names are given for one component.",
    "MirrorObjectInvalid": "A mirror object (IDMS, ITMS, ICSP) has a field of another type.",
    "ComponentOverrideInvalid": "A component override is not NAME=PULLSPEC.",
    "ForbiddenRewrite": "Overrides or mirrors of the management cluster were given where they must not reach.",
    "UnsafeLayer": "A layer holds a path, link or size that must not be unpacked.",
    "RegistryRefused": "The registry refused an upload.",
    "Offline": "The content is not at hand and the network may not be used.",
}

_USER = {
    "InvalidReference", "PullSecretUnavailable", "PullSecretInvalid", "UnsupportedManifest", "NoMatchingPlatform",
    "NotAReleasePayload", "MalformedPayloadFile", "InvalidReleaseVersion", "ComponentMissing", "StreamNotFound",
    "ComponentVersionInvalid", "ComponentVersionConflict", "MissingPayloadFile", "UnsafeLayer",
    "MirrorObjectInvalid", "ComponentOverrideInvalid", "ForbiddenRewrite",
}  # fmt: skip


class Attempt(msgspec.Struct, frozen=True):
    """One candidate that was tried and what came of it."""

    candidate: str
    cause: str


class ImageError(PilotageError):
    """`reference` is as the caller gave it; `resolved` lists every candidate tried, in order, with its own failure."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        reference: str = "",
        resolved: tuple[Attempt, ...] = (),
        hint: str = "",
        messages: tuple[str, ...] = (),
    ) -> None:
        super().__init__(code, message, hint=hint, messages=messages)
        self.reference = reference
        self.resolved = resolved
        self.exit_code = 2 if self.is_user_error else 3

    @property
    def is_user_error(self) -> bool:
        """The caller must change something; trying again cannot help."""
        return self.code in _USER
