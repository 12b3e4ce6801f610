"""`pilotage get`, `apply`, `delete`, `crds`: objects for people without kubectl."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pilotage.api import manifest, yaml


def config_map(name: str, text: str = "1", namespace: str = "clusters") -> dict:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {"text": text},
    }


def documents(*items: dict) -> str:
    return "---\n".join(map(yaml.dump, items))


STAGE = {
    "apiVersion": "hypershift.openshift.io/v1beta1",
    "kind": "HostedCluster",
    "metadata": {"name": "aws-stage", "namespace": "clusters"},
    "spec": {"release": {"image": "quay.example.com/openshift/release:4.19.7-multi"}},
}


@pytest.fixture(autouse=True)
def _instance(world: Path, user: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sample world is the instance of this user."""
    monkeypatch.setenv("PILOTAGE_DATA_DIR", str(world))


def held(cli) -> str:
    """Every ConfigMap and HostedCluster, to see that nothing changed."""
    return cli("get", "cm", "-o", "json").out + cli("get", "hc", "-o", "json").out


@pytest.mark.parametrize(
    "kind", ["hc", "HostedCluster", "hostedclusters", "hostedclusters.hypershift.openshift.io"]
)
def test_a_kind_goes_by_all_its_names(cli, kind: str) -> None:
    """Short name, kind, plural and full name give the same table."""
    ran = cli("get", kind)

    assert (0, "") == (ran.code, ran.err)
    assert 11 == len(ran.out.splitlines())
    assert ["NAMESPACE", "NAME", "CREATED", "CONDITIONS"] == ran.out.split()[:4]
    assert "CPOImageResolved=False(EmptyImageAnnotation)" in ran.out


@pytest.mark.parametrize(
    ("kind", "close"),
    [
        ("hostdclusters", "hostedclusters"),
        ("nodepol", "nodepools"),
        ("controlplaneimgs", "controlplaneimages"),
    ],
)
def test_an_unknown_kind_is_answered_with_what_is_close(cli, kind: str, close: str) -> None:
    """A typing mistake gets a suggestion, and all known kinds are listed."""
    ran = cli("get", kind)

    assert (2, "") == ran[:2]
    assert f'UnknownKind: there is no kind called "{kind}"; did you mean {close}' in ran.err
    assert "known kinds: alerts, " in ran.err


def test_one_object_is_the_object_and_all_are_a_list(cli) -> None:
    """-o json and -o yaml print what an API server would; YAML is the same value."""
    one = cli("get", "hc", "clusters/aws-stage", "-o", "json").json()
    all_ = cli("get", "hc", "-o", "json").json()

    assert "HostedCluster" == one["kind"]
    assert ("List", 10) == (all_["kind"], len(all_["items"]))
    assert one in all_["items"]
    assert one == yaml.load(cli("get", "hc", "aws-stage", "-o", "yaml").out)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["hc", "nope"], 'NotFound: hostedclusters.hypershift.openshift.io "nope" not found'),
        (["hc", "other/aws-stage"], "NotFound: "),
        (["hc", "aws-stage", "-n", "other"], "NotFound: "),
    ],
)
def test_an_object_that_is_not_there_is_an_error(cli, arguments, said) -> None:
    """Nothing on stdout, the name on stderr, the code is not 0."""
    ran = cli("get", *arguments)

    assert (True, "") == (ran.code in (1, 2), ran.out)
    assert said in ran.err


def test_none_of_a_kind_is_said_and_stays_a_document(cli) -> None:
    """Text says it on stderr; JSON is an empty list."""
    assert cli("get", "hc", "-n", "nowhere")[:2] == (0, "")
    assert "No hostedclusters found" in cli("get", "hc", "-n", "nowhere").err
    assert [] == cli("get", "hc", "-n", "nowhere", "-o", "json").json()["items"]


def test_objects_of_files_are_got_without_an_instance(cli, user: Path, monkeypatch) -> None:
    """`get -f` reads manifests like a store."""
    monkeypatch.delenv("PILOTAGE_DATA_DIR")
    (user / "two.yaml").write_text(documents(config_map("a"), config_map("b", namespace="other")))

    assert ["clusters", "other"] == [
        line.split()[0] for line in cli("get", "cm", "-f", "two.yaml").out.splitlines()[1:]
    ]


def test_apply_creates_configures_and_leaves_alone(cli) -> None:
    """Each object is named with what became of it; a second time nothing changes."""
    given = documents(config_map("a"), config_map("b"))

    assert (0, "configmaps/a created\nconfigmaps/b created\n", "") == cli("apply", "-f", "-", stdin=given)
    before = held(cli)
    assert "configmaps/a unchanged\nconfigmaps/b unchanged\n" == cli("apply", "-f", "-", stdin=given).out
    assert before == held(cli)
    changed = documents(config_map("a"), config_map("b", "2"))
    assert "configmaps/a unchanged\nconfigmaps/b configured\n" == cli("apply", "-f", "-", stdin=changed).out
    assert "2" == cli("get", "cm", "clusters/b", "-o", "json").json()["data"]["text"]


def test_dry_run_says_what_would_be_and_changes_nothing(cli) -> None:
    """The same lines with a mark, and the same store."""
    before = held(cli)
    ran = cli("apply", "-f", "-", "--dry-run", stdin=documents(config_map("a")))

    assert (0, "configmaps/a created (dry run)\n") == ran[:2]
    assert before == held(cli)


@pytest.mark.parametrize("dry_run", [(), ("--dry-run",)])
def test_nothing_is_applied_when_one_object_is_refused(cli, dry_run) -> None:
    """All refusals are listed by object, the good ones are not written, and the code is 2."""
    before = held(cli)
    given = documents(config_map("good"), config_map("Bad_Name"), STAGE, config_map("better"))
    ran = cli("apply", "-f", "-", *dry_run, stdin=given)

    assert (2, "") == ran[:2]
    assert "error: NotApplied: 2 of 4 objects are refused" in ran.err
    assert '  - configmaps/Bad_Name: ConfigMap "Bad_Name" is invalid: metadata.name' in ran.err
    assert "  - hostedclusters.hypershift.openshift.io/aws-stage: Apply failed with 1 conflict" in ran.err
    assert "nothing was changed; --force-conflicts takes over fields of another manager" in ran.err
    assert before == held(cli)


def test_a_conflict_is_taken_over_by_force_only(cli) -> None:
    """The field of another manager stays until --force-conflicts is given."""
    given = documents(STAGE)
    before = held(cli)
    assert 2 == cli("apply", "-f", "-", stdin=given).code
    assert before == held(cli)

    assert "hostedclusters.hypershift.openshift.io/aws-stage configured\n" == (
        cli("apply", "-f", "-", "--force-conflicts", stdin=given).out
    )
    stage = cli("get", "hc", "aws-stage", "-o", "json").json()
    assert STAGE["spec"]["release"] == stage["spec"]["release"]
    assert "AWS" == stage["spec"]["platform"]["type"]  # not ours, so not touched
    assert 0 == cli("apply", "-f", "-", stdin=given).code


def test_what_get_printed_can_be_applied_again(cli) -> None:
    """`get -o yaml | apply -f -` with force changes nothing that somebody wrote, only who owns it."""
    printed = cli("get", "hc", "aws-stage", "-o", "yaml").out
    ran = cli("apply", "-f", "-", "--force-conflicts", stdin=printed)
    again = cli("get", "hc", "aws-stage", "-o", "json").json()

    assert 0 == ran.code
    assert yaml.load(printed)["spec"] == again["spec"]
    assert yaml.load(printed)["status"] == again["status"]
    assert yaml.load(printed)["metadata"]["uid"] == again["metadata"]["uid"]


def test_definitions_and_namespaces_go_first(cli) -> None:
    """Whatever the order in the files, what others need is there already."""
    widget = {"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.org"},
        "spec": {
            "group": "example.org",
            "names": {"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
            "scope": "Cluster",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
                    },
                }
            ],
        },
    }
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}}
    ran = cli(
        "apply", "-f", "-", stdin=documents(config_map("a", namespace="new"), widget, definition, namespace)
    )

    assert 0 == ran.code
    assert ["namespaces/new", "customresourcedefinitions.apiextensions.k8s.io/widgets.example.org"] == [
        line.split()[0] for line in ran.out.splitlines()[:2]
    ]


def test_an_object_is_tried_by_the_definition_beside_it(cli) -> None:
    """A field that the new definition does not know refuses the whole, definition included."""
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "gears.example.org"},
        "spec": {
            "group": "example.org",
            "names": {"kind": "Gear", "plural": "gears", "singular": "gear", "listKind": "GearList"},
            "scope": "Cluster",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object"}},
                }
            ],
        },
    }
    gear = {"apiVersion": "example.org/v1", "kind": "Gear", "metadata": {"name": "g"}, "spec": {"teeth": 7}}

    refused = cli("apply", "-f", "-", stdin=documents(definition, gear))

    assert 2 == refused.code
    assert ".spec: field not declared in schema" in refused.err
    assert "nothing was changed" in refused.err
    assert "gears.example.org" not in cli("get", "customresourcedefinitions").out


def test_an_object_that_stands_twice_is_told(cli) -> None:
    """The last one counts, as it would one after the other; the user hears of it."""
    ran = cli("apply", "-f", "-", stdin=documents(config_map("a", "1"), config_map("a", "2")))

    assert (0, "configmaps/a created\n") == ran[:2]
    assert "DuplicateObject" in ran.err
    assert "2" == cli("get", "cm", "a", "-o", "json").json()["data"]["text"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("", "NoObjects"),
        ("# nothing\n---\n", "NoObjects"),
        ("a: [", "UnreadableDump"),
        ("kind: X", "UnreadableDump"),
    ],
)
@pytest.mark.parametrize("verb", ["apply", "delete"])
def test_files_that_hold_nothing_are_refused(cli, verb: str, given: str, code: str) -> None:
    """A file that was meant to change something and holds no object is an error, not a success."""
    ran = cli(verb, "-f", "-", stdin=given)

    assert (2, "") == ran[:2]
    assert f"error: {code}: stdin: " in ran.err


def test_a_namespace_is_put_in_where_none_is_written(cli) -> None:
    """-n, and without it `default`."""
    bare = config_map("bare")
    del bare["metadata"]["namespace"]
    cli("apply", "-f", "-", stdin=documents(bare))
    assert 0 == cli("get", "cm", "default/bare").code


def test_delete_one_and_delete_files(cli) -> None:
    """By kind and name, and by manifests; what is gone already is said and no error."""
    given = documents(config_map("a"), config_map("b"))
    cli("apply", "-f", "-", stdin=given)

    assert (0, "configmaps/b deleted\n", "") == cli("delete", "cm", "clusters/b")
    assert (0, "configmaps/b was not there\nconfigmaps/a deleted\n", "") == cli(
        "delete", "-f", "-", stdin=given
    )
    assert [] == cli("get", "cm", "-n", "clusters", "-o", "json").json()["items"]


@pytest.mark.parametrize("arguments", [[], ["hc"], ["hc", "a", "-f", "x.yaml"], ["hc", "-f", "x.yaml"]])
def test_delete_wants_one_way_to_name_things(cli, arguments) -> None:
    """A kind with a name, or manifests; nothing in between deletes anything."""
    ran = cli("delete", *arguments)

    assert (2, "") == ran[:2]
    assert "name a kind and an object, or manifests with -f" in " ".join(ran.err.replace("│", " ").split())


def test_delete_of_what_is_not_there_is_an_error(cli) -> None:
    """By name it is a mistake."""
    ran = cli("delete", "hc", "clusters/nope")

    assert (True, "") == (ran.code in (1, 2), ran.out)
    assert 'hostedclusters.hypershift.openshift.io "nope" not found' in ran.err


def test_the_definitions_can_be_applied(cli) -> None:
    """`pilotage crds` prints valid manifests of our own kinds, in the form that an API server takes."""
    ran = cli("crds")
    items = manifest.load_objects(ran.out.encode(), "crds")

    assert (0, "") == (ran.code, ran.err)
    assert {"CustomResourceDefinition"} == {item.kind for item in items}
    assert {"controlplane.pilotage.dev", "gate.pilotage.dev"} == {
        item.value()["spec"]["group"] for item in items
    }
    assert 0 == cli("apply", "-f", "-", stdin=ran.out).code
    for item in items:
        for version in item.value()["spec"]["versions"]:
            assert "object" == version["schema"]["openAPIV3Schema"]["type"]
    served = {item["metadata"]["name"] for item in cli("get", "crds", "-o", "json").json()["items"]}
    assert {item.meta.name for item in items} <= served


def test_status_is_written_only_when_asked_for(cli) -> None:
    """A manifest from another cluster brings its status over with --with-status; without it status is left alone."""
    manifest = json.dumps(
        {
            "apiVersion": "appstudio.redhat.com/v1alpha1",
            "kind": "Snapshot",
            "metadata": {"namespace": "clusters", "name": "one"},
            "spec": {"application": "a"},
            "status": {"conditions": [{"type": "AutoReleased", "status": "True", "reason": "AutoReleased"}]},
        }
    )
    assert 0 == cli("apply", "-f", "-", stdin=manifest).code
    assert "status" not in cli("get", "snapshots", "clusters/one", "-o", "json").json()
    assert 0 == cli("apply", "-f", "-", "--with-status", stdin=manifest).code

    status = cli("get", "snapshots", "clusters/one", "-o", "json").json()["status"]
    assert "AutoReleased" == status["conditions"][0]["type"]


def test_kinds_of_ours_show_the_columns_of_their_definition(cli, world: Path) -> None:
    """What kubectl shows of a gate's run is shown here as well; other kinds show their conditions."""
    heading, first, *_ = cli("get", "gateruns", "--data-dir", world).out.splitlines()

    assert ["NAMESPACE", "NAME", "PLATFORM", "STATE", "VERDICT", "REASON", "CREATED"] == heading.split()
    assert ["aro-hcp", "promoted", "passed", "all-required-passed"] == first.split()[2:6]
    assert "CONDITIONS" in cli("get", "hc", "--data-dir", world).out.splitlines()[0]
