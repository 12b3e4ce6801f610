"""Keys that sign and verify what the gate says about images: ECDSA on P-256, or Ed25519, as PEM.

A private key is PKCS#8 without a password, in a file that only its owner reads; a public key is the SubjectPublicKeyInfo that
`cosign.pub` holds. The name of a key is the SHA-256 of that structure in DER. ECDSA signatures are deterministic (RFC 6979), so the
same statement signed twice is the same bytes. Foreign signatures may be RSA as well: such keys verify, and never sign here.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pilotage.api.errors import InputError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

# `cryptography` is imported where it is used: it is slow to load, and most commands sign nothing.

__all__ = ["KeyKind", "PublicKey", "SigningKey", "read_public_key", "read_signing_key", "write_keys"]

KeyKind = Literal["ecdsa-p256", "ed25519"]


class PublicKey:
    """Verifies. Two keys are equal when they are the same key."""

    __slots__ = ("_key", "_pem", "key_id")

    def __init__(self, key: EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey) -> None:
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 -- see above

        info = serialization.PublicFormat.SubjectPublicKeyInfo
        self._key = key
        self._pem = key.public_bytes(serialization.Encoding.PEM, info)
        self.key_id = hashlib.sha256(key.public_bytes(serialization.Encoding.DER, info)).hexdigest()

    @classmethod
    def of_pem(cls, pem: bytes, name: str = "the public key") -> PublicKey:
        """Raises InputError `KeyInvalid`; `name` is what the key is called there."""
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 -- see above
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 -- see above
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415 -- see above

        try:
            key = serialization.load_pem_public_key(pem)
        except (ValueError, UnsupportedAlgorithm):
            raise _invalid(
                name, "it is no public key in PEM form", "give the file that ends in .pub"
            ) from None
        if isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
            return cls(key)
        raise _invalid(name, "it is neither ECDSA, Ed25519 nor RSA", "make one with `pilotage gate keygen`")

    @property
    def pem(self) -> bytes:
        return self._pem

    def verifies(self, signature: bytes, message: bytes) -> bool:
        """Did the holder of the private key sign exactly this message?"""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 -- see above
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 -- see above
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding  # noqa: PLC0415 -- see above

        try:
            if isinstance(self._key, ed25519.Ed25519PublicKey):
                self._key.verify(signature, message)
            elif isinstance(self._key, ec.EllipticCurvePublicKey):
                self._key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
            else:
                self._key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and other.key_id == self.key_id

    def __hash__(self) -> int:
        return hash(self.key_id)

    def __repr__(self) -> str:
        return f"PublicKey({self.key_id[:12]})"


class SigningKey:
    """Signs. It prints as the name of its public half, never as itself."""

    __slots__ = ("_key", "public")

    def __init__(self, key: EllipticCurvePrivateKey | Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key())

    @classmethod
    def generate(cls, kind: KeyKind = "ecdsa-p256") -> SigningKey:
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: PLC0415 -- see above

        if kind == "ed25519":
            return cls(ed25519.Ed25519PrivateKey.generate())
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def of_pem(cls, pem: bytes, name: str = "the private key") -> SigningKey:
        """Raises InputError `KeyInvalid`; the message never shows a part of the key."""
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 -- see above
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 -- see above
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: PLC0415 -- see above

        try:
            key = serialization.load_pem_private_key(pem, password=None)
        except TypeError:
            hint = "give a key without a password, such as `pilotage gate keygen` makes"
            raise _invalid(name, "it is protected by a password", hint) from None
        except (ValueError, UnsupportedAlgorithm):
            hint = "make one with `pilotage gate keygen`"
            raise _invalid(name, "it is no private key in PEM form", hint) from None
        is_p256 = isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)
        if isinstance(key, ed25519.Ed25519PrivateKey) or (
            is_p256 and isinstance(key, ec.EllipticCurvePrivateKey)
        ):
            return cls(key)
        hint = "make one with `pilotage gate keygen`"
        raise _invalid(name, "it is neither ECDSA on P-256 nor Ed25519", hint)

    @property
    def key_id(self) -> str:
        return self.public.key_id

    def sign(self, message: bytes) -> bytes:
        """The signature: DER for ECDSA over SHA-256, 64 bytes for Ed25519."""
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 -- see above
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 -- see above
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519  # noqa: PLC0415 -- see above

        if isinstance(self._key, ed25519.Ed25519PrivateKey):
            return self._key.sign(message)
        try:
            return self._key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        except UnsupportedAlgorithm:  # OpenSSL before 3.2: as good a signature, and another one each time
            return self._key.sign(message, ec.ECDSA(hashes.SHA256()))

    def pem(self) -> bytes:
        """The key itself, for its file and for nothing else."""
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 -- see above

        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id[:12]})"


def read_signing_key(file: Path) -> SigningKey:
    """Raises InputError `KeyInvalid`, `UnreadableFile`."""
    return SigningKey.of_pem(_read(file), str(file))


def read_public_key(file: Path) -> PublicKey:
    """Raises InputError `KeyInvalid`, `UnreadableFile`."""
    return PublicKey.of_pem(_read(file), str(file))


def write_keys(key: SigningKey, prefix: Path) -> tuple[Path, Path]:
    """Write `PREFIX.key`, for its owner only, and `PREFIX.pub`. Nothing is overwritten: a lost key cannot be made again.

    Raises InputError `KeyExists`, OSError when nothing can be written.
    """
    private, public = Path(f"{prefix}.key"), Path(f"{prefix}.pub")
    present = [str(each) for each in (private, public) if each.exists()]
    if present:
        raise InputError(
            "KeyExists", f"{', '.join(present)}: there already", hint="name another prefix, or move it away"
        )
    for file, pem, mode in ((private, key.pem(), 0o600), (public, key.public.pem, 0o644)):
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
            opened.write(pem)
    return private, public


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError("UnreadableFile", f"{file}: {error.strerror}") from None


def _invalid(name: str, problem: str, hint: str) -> InputError:
    return InputError("KeyInvalid", f"{name}: {problem}", hint=hint)
