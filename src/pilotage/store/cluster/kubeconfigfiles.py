"""Kubeconfig files: what stands in them, and how several become one.

`KUBECONFIG` names a list of files. They are merged as kubectl does it: the first file that says something wins, entry by entry
(a second `red` user is ignored whole), and files that are not there are passed over. Relative paths start at the file
that names them, so every entry remembers its file. Fields that we do not know are left alone; a null is a field not set.

Follows "Organizing Cluster Access Using kubeconfig Files" and the kubeconfig (v1) reference of the Kubernetes documentation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from pilotage.api import yaml
from pilotage.api.errors import InputError

__all__ = [
    "AuthProvider",
    "Cluster",
    "Context",
    "Entry",
    "ExecConfig",
    "Kubeconfig",
    "User",
    "config_error",
    "load_kubeconfig",
]

T = TypeVar("T")


class _Record(msgspec.Struct, frozen=True, rename="kebab"):
    def __repr__(self) -> str:
        """Without values: users are secrets, and the others are printed by name."""
        return f"{type(self).__name__}(…)"


class Extension(msgspec.Struct, frozen=True):
    name: str = ""
    extension: Any = None


class Cluster(_Record, frozen=True, rename="kebab"):
    server: str = ""
    tls_server_name: str = ""
    insecure_skip_tls_verify: bool = False
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    proxy_url: str = ""
    disable_compression: bool = False
    extensions: tuple[Extension, ...] = ()


class Context(_Record, frozen=True):
    cluster: str = ""
    user: str = ""
    namespace: str = ""


class NameValue(_Record, frozen=True):
    name: str = ""
    value: str = ""


class ExecConfig(_Record, frozen=True, rename="camel"):
    command: str = ""
    args: tuple[str, ...] = ()
    env: tuple[NameValue, ...] = ()
    api_version: str = ""
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""


class AuthProvider(_Record, frozen=True):
    name: str = ""
    config: Mapping[str, str] = {}


class User(_Record, frozen=True, rename="kebab"):
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = msgspec.field(name="tokenFile", default="")
    act_as: str = msgspec.field(name="as", default="")
    as_uid: str = ""
    as_groups: tuple[str, ...] = ()
    as_user_extra: Mapping[str, tuple[str, ...]] = {}
    username: str = ""
    password: str = ""
    auth_provider: AuthProvider | None = None
    exec: ExecConfig | None = None


class Entry(msgspec.Struct, Generic[T], frozen=True):
    """A named entry and the file in which it stands."""

    name: str
    value: T
    file: Path


class Kubeconfig(msgspec.Struct, frozen=True):
    """All files as one. `current` is the name of the current context and the file that says so."""

    files: tuple[Path, ...]
    current: Entry[str] | None
    clusters: Mapping[str, Entry[Cluster]]
    contexts: Mapping[str, Entry[Context]]
    users: Mapping[str, Entry[User]]

    @property
    def name(self) -> str:
        return ", ".join(map(str, self.files))


class _NamedCluster(msgspec.Struct, frozen=True):
    name: str
    cluster: Cluster = Cluster()


class _NamedContext(msgspec.Struct, frozen=True):
    name: str
    context: Context = Context()


class _NamedUser(msgspec.Struct, frozen=True):
    name: str
    user: User = User()


class _File(msgspec.Struct, frozen=True, rename="kebab"):
    current_context: str = ""
    clusters: tuple[_NamedCluster, ...] = ()
    contexts: tuple[_NamedContext, ...] = ()
    users: tuple[_NamedUser, ...] = ()


def load_kubeconfig(paths: Sequence[Path], *, must_exist: bool = False) -> Kubeconfig | None:
    """The files as one; None when none of them exists.

    Raises InputError `KubeconfigInvalid` with the problems of all files.
    """
    current: Entry[str] | None = None
    clusters: dict[str, Entry[Cluster]] = {}
    contexts: dict[str, Entry[Context]] = {}
    users: dict[str, Entry[User]] = {}
    read = []
    problems: list[str] = []
    for path in paths:
        try:
            content = _read(path, must_exist=must_exist)
        except InputError as error:
            problems.extend(error.messages or (error.message,))
            continue
        if content is None:
            continue
        read.append(path)
        if content.current_context and current is None:
            current = Entry(content.current_context, content.current_context, path)
        _add(clusters, ((item.name, item.cluster) for item in content.clusters), path)
        _add(contexts, ((item.name, item.context) for item in content.contexts), path)
        _add(users, ((item.name, item.user) for item in content.users), path)
    if problems:
        raise config_error(problems)
    return Kubeconfig(tuple(read), current, clusters, contexts, users) if read else None


def config_error(problems: Sequence[str]) -> InputError:
    return InputError(
        "KubeconfigInvalid",
        problems[0] if len(problems) == 1 else f"{len(problems)} problems: " + "; ".join(problems),
        hint="correct the kubeconfig, or choose another with --kubeconfig or --context",
        messages=tuple(problems),
    )


def _add(known: dict[str, Entry[T]], found: Iterable[tuple[str, T]], path: Path) -> None:
    for name, value in found:
        known.setdefault(name, Entry(name, value, path))


def _read(path: Path, *, must_exist: bool) -> _File | None:
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        if must_exist:
            raise config_error([f"{path}: no such file"]) from None
        return None
    except OSError as error:
        raise config_error([f"{path}: {error.strerror}"]) from None
    value = _set_fields(yaml.load(text.decode(errors="replace"), str(path)))
    try:
        content = msgspec.convert({} if value is None else value, _File)
    except msgspec.ValidationError as error:
        raise config_error([f"{path}: {error}"]) from None
    problems = [
        f"{path}: two {section} are called {name}"
        for section, items in (
            ("clusters", content.clusters),
            ("contexts", content.contexts),
            ("users", content.users),
        )
        for name in _doubled(item.name for item in items)
    ]
    if problems:
        raise config_error(problems)
    return content


def _doubled(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]


def _set_fields(value: Any) -> Any:
    """The value without nulls, which are fields not set."""
    if isinstance(value, dict):
        return {name: _set_fields(item) for name, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_set_fields(item) for item in value if item is not None]
    return value
