"""Credential plugins: programs that a kubeconfig names and that print a credential (`aws eks get-token`, `oc`, …).

The program gets its question in `KUBERNETES_EXEC_INFO` and prints an `ExecCredential` with a token, a client certificate, or
both. The answer is kept until it expires or the server refuses it. The program never reads from our standard input,
even when it would like to ask somebody: nobody may be there. Its standard error is ours, so what it has to say
reaches the person or the pod's log directly and stands in no message of ours.

Follows `client.authentication.k8s.io` v1 and v1beta1 ("client-go credential plugins" in the Kubernetes documentation).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import orjson

from pilotage.api.errors import InputError, RemoteError
from pilotage.store.cluster.access import Clock, KeyPair, Proof, Secret
from pilotage.store.cluster.credentials import bearer

__all__ = ["PLUGIN_VERSIONS", "Plugin", "PluginLogin"]

PLUGIN_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")

_TIME_LIMIT = 60.0
_LONGEST_ANSWER = 1 << 20
_CODE = "CredentialPlugin"


class Plugin(msgspec.Struct, frozen=True):
    """A program and how it is asked. `folder` is where its kubeconfig is; a relative path with a `/` starts there.

    `cluster` is what it is told of the cluster, None when it did not ask to know. `subject` begins its messages.
    """

    subject: str
    api_version: str
    command: str
    folder: Path
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = {}
    install_hint: str = ""
    cluster: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        """Without arguments and environment: people put secrets there."""
        return f"Plugin({self.subject}: {self.command})"


class _Status(msgspec.Struct, rename="camel"):
    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: datetime | None = None


class _ExecCredential(msgspec.Struct, rename="camel"):
    api_version: str = ""
    kind: str = ""
    status: _Status | None = None


class PluginLogin:
    """The answers of one plugin. However many requests need one at once, the program runs once."""

    def __init__(self, plugin: Plugin, environment: Mapping[str, str], clock: Clock) -> None:
        self._plugin = plugin
        self._environment = environment
        self._clock = clock
        self._lock = asyncio.Lock()
        self._proof: Proof | None = None

    async def proof(self) -> Proof:
        proof = self._proof
        if proof is not None and not proof.has_expired(self._clock):
            return proof
        return await self._replace(proof)

    async def renew(self, refused: Proof) -> Proof | None:
        proof = await self._replace(refused)
        return proof if proof != refused else None

    async def _replace(self, old: Proof | None) -> Proof:
        """Ask for a proof instead of `old`, unless somebody else just did."""
        async with self._lock:
            if self._proof is None or self._proof is old:
                self._proof = self._understood(await self._run())
            return self._proof

    async def _run(self) -> bytes:
        plugin = self._plugin
        environment = {**self._environment, **plugin.environment}
        environment["KUBERNETES_EXEC_INFO"] = self._question()
        program = self._program(environment)
        try:
            process = await asyncio.create_subprocess_exec(
                program,
                *plugin.arguments,
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
            )
        except OSError as error:
            raise self._broken(f"cannot be started: {error.strerror}") from None
        try:
            async with asyncio.timeout(_TIME_LIMIT):
                answer, _ = await process.communicate()
        except TimeoutError:
            raise self._broken(f"did not end within {_TIME_LIMIT:g} s") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode:
            raise self._broken(f"failed with exit code {process.returncode}; it says why on standard error")
        return answer

    def _program(self, environment: Mapping[str, str]) -> str:
        plugin = self._plugin
        name = plugin.command
        if os.sep in name:
            name = str(plugin.folder / name)
        found = shutil.which(name, path=environment.get("PATH"))
        if found is None:
            raise InputError(
                _CODE,
                f"{plugin.subject}: exec.command: {plugin.command} is not an executable on this machine",
                hint=plugin.install_hint.strip() or "install it, or log in another way",
            )
        return found

    def _question(self) -> str:
        spec: dict[str, Any] = {"interactive": False}
        if self._plugin.cluster is not None:
            spec["cluster"] = self._plugin.cluster
        return orjson.dumps(
            {"kind": "ExecCredential", "apiVersion": self._plugin.api_version, "spec": spec}
        ).decode()

    def _understood(self, answer: bytes) -> Proof:
        """Raises RemoteError that says what is wrong with the answer, without repeating any of it."""
        if len(answer) > _LONGEST_ANSWER:
            raise self._broken("printed more than a credential")
        try:
            credential = msgspec.json.decode(answer, type=_ExecCredential)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise self._broken("did not print an ExecCredential") from None
        status = credential.status
        if credential.kind != "ExecCredential" or credential.api_version != self._plugin.api_version:
            raise self._broken(f"did not print an ExecCredential of {self._plugin.api_version}")
        if status is None or not (status.token or status.client_certificate_data):
            raise self._broken("printed neither a token nor a client certificate")
        if bool(status.client_certificate_data) != bool(status.client_key_data):
            raise self._broken("printed a client certificate without its key, or a key without a certificate")
        pair = None
        if status.client_certificate_data and status.client_key_data:
            pair = KeyPair(status.client_certificate_data.encode(), Secret(status.client_key_data))
        expires = status.expiration_timestamp
        if expires is not None and expires.tzinfo is None:
            raise self._broken("printed an expirationTimestamp without a time zone")
        header = bearer(status.token, self._plugin.subject) if status.token else None
        return Proof(header, pair, expires)

    def _broken(self, problem: str) -> RemoteError:
        plugin = self._plugin
        return RemoteError(
            _CODE,
            f"{plugin.subject}: the credential plugin {Path(plugin.command).name} {problem}",
            hint="run it by hand to see what is wrong; it may want you to log in first",
        )
