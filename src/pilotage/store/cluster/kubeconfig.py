"""Which cluster, and as whom? From a kubeconfig's context, or the service account of a pod.

    --kubeconfig FILE   that file only
    KUBECONFIG          a list of files, merged
    ~/.kube/config
    a pod's account     when there is none of these

The precedence of ways to log in is client-go's: a credential plugin or auth-provider stands alone; a token or a password may
come with a client certificate, but not with each other; a `tokenFile` goes before `token`; inline data goes before files.
One thing is stricter: a credential is not sent over plain HTTP, except to this machine (`kubectl proxy`).
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pilotage.api.errors import InputError
from pilotage.store.cluster import incluster
from pilotage.store.cluster.access import (
    Access,
    Clock,
    Impersonation,
    KeyPair,
    Login,
    Proof,
    Secret,
    Trust,
)
from pilotage.store.cluster.credentials import FileLogin, Files, FixedLogin, basic, bearer
from pilotage.store.cluster.kubeconfigfiles import (
    Cluster,
    Context,
    Entry,
    ExecConfig,
    Kubeconfig,
    User,
    config_error,
    load_kubeconfig,
)
from pilotage.store.cluster.pacing import SystemClock
from pilotage.store.cluster.plugins import PLUGIN_VERSIONS, Plugin, PluginLogin

__all__ = ["find_access", "read_kubeconfig"]

_PLUGIN_EXTENSION = "client.authentication.k8s.io/exec"


def find_access(
    kubeconfig: str = "",
    context: str = "",
    *,
    environment: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Access:
    """The cluster that `kubectl` would speak to, given the same options.

    Raises InputError `NoCluster` when nothing names one, `KubeconfigInvalid` listing what is wrong with what does.
    """
    environment = os.environ if environment is None else environment
    clock = clock or SystemClock()
    paths, must_exist = _paths(kubeconfig, environment)
    merged = load_kubeconfig(paths, must_exist=must_exist)
    if merged is not None:
        return _access(merged, context, environment, clock)
    if not context and incluster.is_in_cluster(environment):
        return incluster.in_cluster_access(environment, clock)
    raise InputError(
        "NoCluster",
        f"no cluster is named: {', '.join(map(str, paths))} {'does' if len(paths) == 1 else 'do'} not exist",
        hint="set KUBECONFIG, give --kubeconfig, or work on a dump (-f) or the embedded store instead",
    )


def read_kubeconfig(
    path: Path,
    context: str = "",
    *,
    environment: Mapping[str, str] | None = None,
    clock: Clock | None = None,
) -> Access:
    """One file, and nothing but that file."""
    return find_access(str(path), context, environment=environment, clock=clock)


def _paths(kubeconfig: str, environment: Mapping[str, str]) -> tuple[Sequence[Path], bool]:
    if kubeconfig:
        return (Path(kubeconfig),), True
    listed = [Path(part) for part in environment.get("KUBECONFIG", "").split(os.pathsep) if part]
    if listed:
        return tuple(dict.fromkeys(listed)), False
    home = environment.get("HOME")
    return ((Path(home) if home else Path.home()) / ".kube" / "config",), False


def _access(config: Kubeconfig, wanted: str, environment: Mapping[str, str], clock: Clock) -> Access:
    context = _context(config, wanted)
    subject = f'{context.file}: context "{context.name}"'
    problems: list[str] = []
    cluster = config.clusters.get(context.value.cluster)
    user = config.users.get(context.value.user)
    if cluster is None:
        problems.append(f'{subject}: cluster: "{context.value.cluster}" is not defined')
    if user is None and context.value.user:
        problems.append(f'{subject}: user: "{context.value.user}" is not defined')
    if cluster is None or problems:
        raise config_error(problems)
    user = user or Entry("", User(), context.file)
    reading = _Reading(subject, cluster, user, environment, clock)
    access = reading.access(context.value)
    if reading.problems:
        raise config_error(reading.problems)
    return access


def _context(config: Kubeconfig, wanted: str) -> Entry[Context]:
    name = wanted or (config.current.name if config.current else "")
    found = config.contexts.get(name)
    if found is not None:
        return found
    known = ", ".join(config.contexts) or "none"
    if not name:
        raise config_error([f"{config.name}: current-context: is not set; contexts there: {known}"])
    field = "" if wanted else "current-context: "
    raise config_error([f'{config.name}: {field}there is no context "{name}"; contexts there: {known}'])


class _Reading:
    """One context taken apart; `problems` collects everything that is wrong with it."""

    def __init__(
        self,
        subject: str,
        cluster: Entry[Cluster],
        user: Entry[User],
        environment: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self._context = subject
        self._cluster = cluster
        self._user = user
        self._environment = environment
        self._clock = clock
        self.problems: list[str] = []

    def access(self, context: Context) -> Access:
        cluster, user = self._cluster.value, self._user.value
        server = self._server(cluster.server)
        trust = self._trust(cluster)
        login = self._login(user, trust)
        if urlsplit(server).scheme == "http" and not _is_this_machine(server) and _has_credential(user):
            self._cluster_problem("server", "is plain HTTP, and a credential is not sent over that")
        return Access(
            server=server,
            login=login,
            source=self._context,
            trust=trust,
            proxy=self._proxy(cluster.proxy_url),
            impersonation=self._impersonation(user),
            namespace=context.namespace or "default",
            is_compressed=not cluster.disable_compression and not _is_this_machine(server),
        )

    # -- the cluster ------------------------------------------------------------------------------------------------

    def _server(self, address: str) -> str:
        """Scheme, host and path. A bare host is an address of HTTP for kubectl; nobody means that today."""
        address = address if "://" in address or not address else f"https://{address}"
        try:
            parts = urlsplit(address)
            is_sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            is_sound = False
        if not is_sound:
            self._cluster_problem(
                "server", "is not set" if not address else "is no http:// or https:// address"
            )
            return ""
        if "@" in parts.netloc:
            self._cluster_problem("server", "holds a user name; that belongs into a user entry")
            return ""
        return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"

    def _trust(self, cluster: Cluster) -> Trust:
        authorities = self._data(
            cluster.certificate_authority_data, self._cluster_problem, "certificate-authority-data"
        )
        if not authorities and cluster.certificate_authority:
            path = self._cluster.file.parent / cluster.certificate_authority
            try:
                authorities = path.read_bytes()
            except OSError as error:
                self._cluster_problem("certificate-authority", f"{path}: {error.strerror}")
        if authorities and cluster.insecure_skip_tls_verify:
            self._cluster_problem(
                "insecure-skip-tls-verify", "contradicts the certificate authority that is given; drop one"
            )
        return Trust(authorities, not cluster.insecure_skip_tls_verify, cluster.tls_server_name)

    def _proxy(self, address: str) -> Secret | None:
        if not address:
            return None
        scheme = address.partition("://")[0]
        if "://" not in address or scheme not in ("http", "https"):
            self._cluster_problem("proxy-url", "must be http:// or https://; others are not supported")
        return Secret(address)

    # -- the user ---------------------------------------------------------------------------------------------------

    def _login(self, user: User, trust: Trust) -> Login:
        self._check_methods(user)
        if user.exec is not None:
            return PluginLogin(self._plugin(user.exec, trust), self._environment, self._clock)
        authorization = None
        token_path = self._user.file.parent / user.token_file if user.token_file else None
        try:
            if user.token:
                authorization = bearer(user.token, self._user_subject("token"))
            elif user.auth_provider is not None:
                authorization = self._provider_token(user.auth_provider.name, user.auth_provider.config)
            elif user.username or user.password:
                authorization = basic(user.username, Secret(user.password))
        except InputError as error:
            self.problems.append(error.message)
        certificate_path, key_path, pair = self._key_pair(user)
        fixed = Proof(authorization, pair)
        if token_path is None and certificate_path is None and key_path is None:
            return FixedLogin(fixed)
        files = Files(token_path, certificate_path, key_path)
        return FileLogin(files, fixed, self._user_subject("tokenFile and client certificate"), self._clock)

    def _check_methods(self, user: User) -> None:
        ways = {
            "token": bool(user.token or user.token_file),
            "username": bool(user.username or user.password),
            "auth-provider": user.auth_provider is not None,
            "exec": user.exec is not None,
        }
        chosen = [name for name, is_set in ways.items() if is_set]
        if len(chosen) > 1:
            self._user_problem(
                " and ".join(chosen), "are more than one way to log in; only one of them may stand here"
            )

    def _key_pair(self, user: User) -> tuple[Path | None, Path | None, KeyPair | None]:
        """Paths of what is in files, and what is inline."""
        folder = self._user.file.parent
        certificate = self._data(user.client_certificate_data, self._user_problem, "client-certificate-data")
        key = self._data(user.client_key_data, self._user_problem, "client-key-data")
        certificate_path = (
            folder / user.client_certificate if user.client_certificate and not certificate else None
        )
        key_path = folder / user.client_key if user.client_key and not key else None
        has_certificate, has_key = bool(certificate or certificate_path), bool(key or key_path)
        if has_certificate != has_key:
            missing, present = (
                ("client-key", "client-certificate")
                if has_certificate
                else ("client-certificate", "client-key")
            )
            self._user_problem(missing, f"is not set, and {present} is of no use without it")
        pair = KeyPair(certificate, Secret(key)) if certificate or key else None
        return certificate_path, key_path, pair

    def _provider_token(self, name: str, config: Mapping[str, str]) -> Secret | None:
        """The plugins are gone from kubectl; what they left in the file is used as long as it holds."""
        token = config.get("id-token") or config.get("access-token") or ""
        if not token:
            self._user_problem(
                "auth-provider",
                f"{name} has no id-token in its config; log in with a credential plugin (exec) instead",
            )
            return None
        return bearer(token, self._user_subject("auth-provider.config.id-token"))

    def _plugin(self, config: ExecConfig, trust: Trust) -> Plugin:
        if not config.command:
            self._user_problem("exec.command", "is not set")
        if config.api_version not in PLUGIN_VERSIONS:
            self._user_problem("exec.apiVersion", f"must be {' or '.join(PLUGIN_VERSIONS)}")
        if config.interactive_mode == "Always":
            self._user_problem("exec.interactiveMode", "is Always, and nobody is asked anything here")
        return Plugin(
            subject=f'{self._user.file}: user "{self._user.name}"',
            api_version=config.api_version,
            command=config.command,
            folder=self._user.file.parent.absolute(),
            arguments=config.args,
            environment={item.name: item.value for item in config.env},
            install_hint=config.install_hint,
            cluster=self._told_cluster(trust) if config.provide_cluster_info else None,
        )

    def _told_cluster(self, trust: Trust) -> dict[str, Any]:
        """The cluster as plugins that ask for it see it."""
        cluster = self._cluster.value
        told: dict[str, Any] = {"server": cluster.server}
        if cluster.tls_server_name:
            told["tls-server-name"] = cluster.tls_server_name
        if cluster.insecure_skip_tls_verify:
            told["insecure-skip-tls-verify"] = True
        if trust.authorities:
            told["certificate-authority-data"] = base64.b64encode(trust.authorities).decode()
        if cluster.proxy_url:
            told["proxy-url"] = cluster.proxy_url
        for item in cluster.extensions:
            if item.name == _PLUGIN_EXTENSION:
                told["config"] = item.extension
        return told

    def _impersonation(self, user: User) -> Impersonation | None:
        if user.act_as:
            return Impersonation(user.act_as, user.as_uid, user.as_groups, user.as_user_extra)
        if user.as_uid or user.as_groups or user.as_user_extra:
            self._user_problem("as", "is not set, and as-uid, as-groups and as-user-extra need it")
        return None

    # -- problems ---------------------------------------------------------------------------------------------------

    def _data(self, text: str, problem: Any, field: str) -> bytes:
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            problem(field, "is not base64")
            return b""

    def _cluster_problem(self, field: str, problem: str) -> None:
        self.problems.append(f'{self._cluster.file}: cluster "{self._cluster.name}": {field}: {problem}')

    def _user_problem(self, field: str, problem: str) -> None:
        self.problems.append(f"{self._user_subject(field)}: {problem}")

    def _user_subject(self, field: str) -> str:
        return f'{self._user.file}: user "{self._user.name}": {field}'


def _has_credential(user: User) -> bool:
    return bool(
        user.token or user.token_file or user.username or user.password or user.exec or user.auth_provider
    )


def _is_this_machine(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
