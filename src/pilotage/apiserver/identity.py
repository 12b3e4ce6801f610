"""Who serves and who may ask: a certificate authority, a server certificate, a client certificate and a token.

All are made when serving begins and are gone when it ends. The authority's own key signs two certificates and is then dropped:
nobody can sign a third. What a client needs stands in the kubeconfig, which only its owner can read.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import ipaddress
import os
import secrets
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["USER", "Identity", "Pair", "made"]

USER = "pilotage-admin"
_GROUP = "system:masters"
_DAYS = 365
_EARLY = dt.timedelta(hours=1)
"""Clocks of containers and their hosts differ."""
_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")


class Pair(msgspec.Struct, frozen=True):
    """A certificate and its key, in PEM. Prints neither."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Pair(…)"


class Identity(msgspec.Struct, frozen=True):
    """What a server needs to be believed, and to know its user. Prints nothing of it."""

    authority: bytes
    server: Pair
    client: Pair
    token: str

    def __repr__(self) -> str:
        return "Identity(…)"

    def knows(self, token: str) -> bool:
        """Is it the token? Takes as long for any other."""
        ours, theirs = (hashlib.sha256(each.encode()).digest() for each in (self.token, token))
        return hmac.compare_digest(ours, theirs)

    def tls(self) -> ssl.SSLContext:
        """For the server: clients may show the certificate, and must not show another."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=self.authority.decode())
        # The standard library reads keys from files only.
        handle, name = tempfile.mkstemp(prefix="pilotage-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.server.certificate + self.server.key)
            context.load_cert_chain(name)
        finally:
            Path(name).unlink()
        return context


def made(hosts: Sequence[str] = ("127.0.0.1", "::1")) -> Identity:
    """A new identity for a server that is reached under these addresses, and `localhost`."""
    now = dt.datetime.now(dt.UTC)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("pilotage-ca")
    authority = (
        _begun(authority_name, authority_name, authority_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )

    def signed(name: x509.Name, purpose: x509.ObjectIdentifier, *, is_server: bool) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _begun(name, authority_name, key.public_key(), now)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
                critical=False,
            )
        )
        if is_server:
            addresses = [x509.IPAddress(ipaddress.ip_address(host)) for host in hosts]
            alternatives = [*map(x509.DNSName, _NAMES), *addresses]
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return Pair(_pem(builder.sign(authority_key, hashes.SHA256())), _key_pem(key))

    return Identity(
        _pem(authority),
        signed(_name("pilotage-apiserver"), ExtendedKeyUsageOID.SERVER_AUTH, is_server=True),
        signed(_name(USER, _GROUP), ExtendedKeyUsageOID.CLIENT_AUTH, is_server=False),
        secrets.token_urlsafe(32),
    )


def _begun(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _EARLY)
        .not_valid_after(now + dt.timedelta(days=_DAYS))
    )


def _name(common: str, organization: str = "") -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)]
    if organization:
        parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
