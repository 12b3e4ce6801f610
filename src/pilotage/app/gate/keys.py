"""Which key signs what a gate says? The one that is named, or the one of the instance.

An instance has a key of its own, made when it is first needed: `gate.key` and `gate.pub` in its data directory. Consumers are given
`gate.pub`. Two processes that need the first key at the same time end up with one.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from pilotage.gate.promotion.keys import KeyKind, SigningKey, read_signing_key, write_keys

__all__ = ["instance_key", "make_keys", "public_key_path", "signing_key_path"]


def signing_key_path(data_dir: Path) -> Path:
    return data_dir / "gate.key"


def public_key_path(data_dir: Path) -> Path:
    return data_dir / "gate.pub"


def instance_key(data_dir: Path) -> SigningKey:
    """The key of the instance; a new one when it has none. Raises InputError `KeyInvalid`, OSError when nothing can be written."""
    path, public = signing_key_path(data_dir), public_key_path(data_dir)
    if not path.exists():
        handle, draft = tempfile.mkstemp(dir=data_dir)  # readable by its owner only
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(SigningKey.generate().pem())
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):  # another process was faster: its key is the key
                os.link(draft, path)
        finally:
            Path(draft).unlink()
    key = read_signing_key(path)
    if not public.exists() or public.read_bytes() != key.public.pem:
        public.write_bytes(key.public.pem)
    return key


def make_keys(prefix: Path, kind: KeyKind) -> tuple[Path, Path, str]:
    """A new pair, `PREFIX.key` and `PREFIX.pub`, and its name. Raises InputError `KeyExists`, OSError."""
    key = SigningKey.generate(kind)
    private, public = write_keys(key, prefix)
    return private, public, key.key_id
