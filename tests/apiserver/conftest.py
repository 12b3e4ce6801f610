"""A real kube-apiserver that serves the definitions of our cases."""

from __future__ import annotations

import time
from typing import Any

import pytest

from . import served
from .realrequests import Asker


@pytest.fixture(scope="session")
def asker(real_api: Any) -> Asker:
    """Definitions are made once and stay: a server takes its time to tell of them, and longer when they come and go."""
    if not real_api.is_ours:
        pytest.skip("makes definitions, classes and nodes: needs a cluster that nobody else uses")
    asker = Asker(real_api.kubeconfig)
    for definition in served.definitions():
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        asker.ask(path, method="POST", body=definition)
    asker.ask("/api/v1/namespaces", method="POST", body={"metadata": {"name": "tables"}})
    deadline = time.monotonic() + 30
    while "v1alpha1" not in str(asker.ask("/apis/shown.example.com").body):
        assert time.monotonic() < deadline, "the definitions were not served in time"
        time.sleep(0.05)
    return asker
