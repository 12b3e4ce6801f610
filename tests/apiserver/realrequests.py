"""Plain requests to a real kube-apiserver, to compare answers byte by byte."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple

import yaml

LIMIT = 30.0


class Told(NamedTuple):
    code: int
    headers: Message
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Asker:
    """Asks as the administrator of a kubeconfig that has a token."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self._server, self._token = cluster["server"], user["token"]
        authority = kubeconfig.parent / cluster["certificate-authority"]
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(authority))),
        )

    def ask(self, path: str, accept: str = "application/json", method: str = "GET", body: Any = None) -> Told:
        request = urllib.request.Request(
            self._server + path, None if body is None else json.dumps(body).encode(), method=method
        )
        request.add_header("Authorization", f"Bearer {self._token}")
        request.add_header("Accept", accept)
        request.add_header("User-Agent", "tests")  # a browser, or curl, would get indented answers
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            with self._opener.open(request, timeout=LIMIT) as answer:
                return Told(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Told(error.code, error.headers, error.read())
