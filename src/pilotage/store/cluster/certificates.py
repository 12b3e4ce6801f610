"""TLS in both directions: the server's certificate checked, ours presented."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from pilotage.api.errors import InputError
from pilotage.store.cluster.access import KeyPair, Trust

__all__ = ["tls_context"]


def tls_context(trust: Trust, key_pair: KeyPair | None, subject: str) -> ssl.SSLContext:
    """Raises InputError, beginning with `subject`, when certificates or key cannot be used."""
    try:
        context = ssl.create_default_context(cadata=trust.authorities.decode() or None)
    except (ssl.SSLError, UnicodeDecodeError):
        raise InputError(
            "KubeconfigInvalid",
            f"{subject}: certificate-authority: holds no PEM certificate",
            hint="copy the cluster entry again from where it came",
        ) from None
    # Strict checks, Python's default from 3.13 on, refuse certificates that clusters make for themselves and Go accepts.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not trust.is_verified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if key_pair is not None:
        try:
            with _as_file(key_pair.certificate + b"\n" + key_pair.key.reveal()) as path:
                # An empty password instead of a question on the terminal; keys of kubeconfigs are never encrypted.
                context.load_cert_chain(path, password="")
        except (ssl.SSLError, OSError):
            raise InputError(
                "KubeconfigInvalid",
                f"{subject}: client-certificate and client-key: not a PEM certificate with its own unencrypted key",
                hint="log in again to get a new pair",
            ) from None
    return context


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """OpenSSL reads keys from files only. Where the system has files in memory, the key never touches a disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pilotage-key")
        try:
            os.write(descriptor, content)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        yield file.name
