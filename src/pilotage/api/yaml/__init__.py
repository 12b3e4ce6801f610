"""The exact YAML that Kubernetes reads, and the YAML that Kubernetes tools write.

A manifest means what `sigs.k8s.io/yaml` in its strict mode says it means: every other reading would show an engineer
something else than the cluster does. So the events of libyaml are composed here, with the scalar rules, the merge keys and
the duplicate checks of Go's yaml.v2 (`scalars`, `composer`), under limits that hold for hostile input, and written
in the same dialect so that what we print reads back unchanged (`writer`).
"""

from pilotage.api.yaml.places import DEFAULT_LIMITS, Limits, Origin, Reading, Respelled, malformed
from pilotage.api.yaml.reader import load, read, read_all
from pilotage.api.yaml.writer import dump, dump_all

__all__ = [
    "DEFAULT_LIMITS",
    "Limits",
    "Origin",
    "Reading",
    "Respelled",
    "dump",
    "dump_all",
    "load",
    "malformed",
    "read",
    "read_all",
]
