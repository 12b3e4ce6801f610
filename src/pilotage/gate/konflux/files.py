"""The tree that is rendered: path to text, the same bytes for the same Gates and pins.

Files with a platform in their name belong to it. All others are shared by the platforms of one tenant: rendered for one
of them or for all, they are the same, but for the list of Secrets, which names those of every Gate that is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from pilotage.api import yaml
from pilotage.api.canonical import canonical_json
from pilotage.api.errors import InputError
from pilotage.gate.konflux.access import account, policies
from pilotage.gate.konflux.admission import admission
from pilotage.gate.konflux.definition import definition
from pilotage.gate.konflux.diagram import diagram
from pilotage.gate.konflux.names import slack_secret, stale_cronjob, trigger_cronjob
from pilotage.gate.konflux.pipeline import pipeline, pipeline_run
from pilotage.gate.konflux.releaseplan import release_plan
from pilotage.gate.konflux.runbook import runbook
from pilotage.gate.konflux.scenario import PIPELINE_FILE, RUN_FILE, scenario
from pilotage.gate.konflux.schedule import stale_check, trigger
from pilotage.gate.konflux.secrets import examples
from pilotage.gate.konflux.steps import ACCOUNTS
from pilotage.gate.konflux.target import Pins, Target, mark

__all__ = ["File", "files_of", "objects_of"]

_SHARED: Final = "the Gates of this tenant"
_OPTIONAL: Final = "policy/"
Manifest = dict[str, Any]


class File(msgspec.Struct, frozen=True):
    """`objects` are what it holds for a cluster; none for pages, templates and examples. What is optional may be missing there."""

    path: str
    text: str
    objects: tuple[Manifest, ...] = ()
    platform: str = ""
    is_optional: bool = False


def files_of(targets: Sequence[Target], platforms: Iterable[str] = ()) -> tuple[File, ...]:
    """The tree for these platforms (all without one), by path; `targets` are all that are known.

    Raises InputError `BadPlatform`, `BadSchedule`, `BadTimeZone`, `UnknownPlatform`, `SeveralTenants`.
    """
    wanted = tuple(platforms) or tuple(target.spec.platform for target in targets)
    known = {target.spec.platform: target for target in targets}
    missing = [platform for platform in wanted if platform not in known]
    if missing or not known:
        raise InputError(
            "UnknownPlatform",
            f"no Gate of platform {', '.join(missing) or 'any kind'} is given",
            hint=f"known are: {', '.join(sorted(known)) or 'none'}",
        )
    chosen = [known[platform] for platform in sorted(set(wanted))]
    namespaces = sorted({target.spec.tenant_namespace for target in chosen})
    if len(namespaces) > 1:
        raise InputError(
            "SeveralTenants",
            f"the Gates are in {', '.join(namespaces)}",
            hint="render the platforms of each namespace into a directory of its own",
        )
    neighbours = [each for each in targets if each.spec.tenant_namespace == namespaces[0]]
    found = [file for target in chosen for file in _own(target)]
    found += _shared(namespaces[0], chosen, neighbours)
    return tuple(sorted(found, key=lambda file: file.path))


def objects_of(files: Iterable[File]) -> tuple[Manifest, ...]:
    """Everything that a cluster should hold, in the order of the files."""
    return tuple(each for file in files for each in file.objects)


def _own(target: Target) -> list[File]:
    platform = target.spec.platform
    made: Mapping[str, Manifest] = {
        f"tenant/gate-{platform}.yaml": definition(target),
        f"tenant/its-{platform}.yaml": scenario(target),
        f"tenant/releaseplan-{platform}.yaml": release_plan(target),
        f"managed/rpa-{platform}.yaml": admission(target),
    }
    source = f"Gate {platform}"
    note = f"Made by pilotage gate render from {source}, revision {target.revision}. Change the Gate and render again."
    return [
        *(
            File(
                path, _header(source, target.revision, target.pins, each) + yaml.dump(each), (each,), platform
            )
            for path, each in made.items()
        ),
        File(f"docs/runbook-{platform}.md", f"<!-- {note} -->\n\n{runbook(target)}", (), platform),
        File(f"docs/diagram-{platform}.mmd", f"%% {note}\n{diagram(target)}", (), platform),
    ]


def _shared(namespace: str, chosen: Sequence[Target], neighbours: Sequence[Target]) -> list[File]:
    pins = chosen[0].pins
    objects = {f"tenant/rbac-{name}.yaml": account(namespace, name) for name in ACCOUNTS}
    for cron, zone in sorted({(each.spec.schedule, each.spec.time_zone) for each in chosen}):
        path = f"tenant/cronjob-{trigger_cronjob(cron, zone)}.yaml"
        objects[path] = [trigger(namespace, cron, zone, pins)]
    for secret in sorted({slack_secret(each.spec) for each in chosen}, key=str):
        path = f"tenant/cronjob-{stale_cronjob(secret)}.yaml"
        objects[path] = [stale_check(namespace, secret, pins)]
    for name, guarded in policies(namespace).items():
        objects[f"{_OPTIONAL}vap-{name}.yaml"] = guarded
    files = [
        File(
            path,
            _header(_SHARED, mark(found), pins, found) + yaml.dump_all(found),
            tuple(found),
            is_optional=path.startswith(_OPTIONAL),
        )
        for path, found in objects.items()
    ]
    templates = {PIPELINE_FILE: pipeline(pins), RUN_FILE: pipeline_run(pins)}
    files += [
        File(
            f"repo/{path}",
            _header(_SHARED, mark(each), pins, each) + yaml.dump(each, sort_keys=False),
        )
        for path, each in templates.items()
    ]
    secrets = examples(namespace, (slack_secret(each.spec) for each in neighbours))
    note = "# Names and keys only. Create the Secrets by hand or from a vault; never commit their values.\n"
    text = _header(_SHARED, mark(secrets), pins, secrets) + note + yaml.dump_all(secrets)
    return [*files, File("tenant/secrets.example.yaml", text)]


def _header(source: str, revision: str, pins: Pins, content: Any) -> str:
    lines = [
        f"# Made by pilotage gate render from {source}, revision {revision}.",
        "# Change the Gate and render again.",
    ]
    used = canonical_json(content).decode()
    missing = [name for name in pins.missing if getattr(pins, name) in used]
    if missing:
        lines.append(
            f"# NOT PINNED: {' and '.join(missing)} of zeros; render with real ones before it is applied."
        )
    return "\n".join(lines) + "\n"
