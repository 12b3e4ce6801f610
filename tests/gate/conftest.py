"""Registries for the gate: the real one and the one that misbehaves, as the tests of images have them."""

from __future__ import annotations

from ..images.conftest import (  # noqa: F401, TID252 -- fixtures for every module of this folder
    misbehaving,
    open_client,
    real_registry,
    start_registry,
    time,
)
