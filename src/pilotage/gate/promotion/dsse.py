"""A signed document: the DSSE envelope, which signs bytes and what they are, and needs no canonical form.

Signed is not the payload alone but `DSSEv1`, the payload's type and the payload, each with its length before it (pre-authentication
encoding, PAE), so that bytes which were signed as one thing are never taken for another. Base64 is read only in the one spelling
that it is written in, and nothing may stand in the envelope that nobody signed: an envelope that was touched anywhere is refused,
also where the change means nothing.

Follows secure-systems-lab/dsse (protocol.md, envelope.md).
"""

from __future__ import annotations

import base64
from typing import Final

import msgspec

from pilotage.api.canonical import canonical_json
from pilotage.gate.promotion.keys import PublicKey, SigningKey

__all__ = ["ENVELOPE_TYPE", "Opened", "Sealed", "pae", "read_envelope", "seal"]

ENVELOPE_TYPE: Final = "application/vnd.dsse.envelope.v1+json"
"""The media type under which registries keep envelopes, as cosign names it."""


class Opened(msgspec.Struct, frozen=True):
    """What a key signed."""

    payload_type: str
    payload: bytes


class Sealed(msgspec.Struct, frozen=True):
    """An envelope as it was read. Its payload is not to be believed before `open` gave it."""

    payload_type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    def open(self, key: PublicKey) -> Opened | None:
        """The payload when the key signed it, else None. Whatever other signatures are there does not matter."""
        message = pae(self.payload_type, self.payload)
        for key_id, signature in self.signatures:
            if key_id in ("", key.key_id) and key.verifies(signature, message):
                return Opened(self.payload_type, self.payload)
        return None

    def is_signed_by(self, key: PublicKey) -> bool:
        """Does a signature claim to be of this key?"""
        return any(key_id in ("", key.key_id) for key_id, _ in self.signatures)


class _Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sig: str
    keyid: str = ""


class _Envelope(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    payload: str
    payload_type: str
    signatures: tuple[_Signature, ...]


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal(payload_type: str, payload: bytes, key: SigningKey) -> bytes:
    """The envelope as JSON; the same payload and key give the same bytes."""
    signature = key.sign(pae(payload_type, payload))
    return canonical_json(
        {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": payload_type,
            "signatures": [{"keyid": key.key_id, "sig": base64.b64encode(signature).decode()}],
        }
    )


def read_envelope(raw: bytes) -> Sealed | None:
    """An envelope, not yet verified; None when the bytes are none."""
    try:
        envelope = msgspec.json.decode(raw, type=_Envelope)
        return Sealed(
            envelope.payload_type,
            _unpacked(envelope.payload),
            tuple((each.keyid, _unpacked(each.sig)) for each in envelope.signatures),
        )
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _unpacked(text: str) -> bytes:
    """Base64, standard or for addresses, in its one right spelling. Raises ValueError."""
    standard = text.replace("-", "+").replace("_", "/")
    raw = base64.b64decode(standard, validate=True)
    if base64.b64encode(raw).decode() != standard:
        raise ValueError("base64 with bits that mean nothing")
    return raw
