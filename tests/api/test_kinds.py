"""Kinds found by the names that people give them."""

import pytest

from pilotage.api import kinds
from pilotage.api.errors import InputError
from pilotage.api.hypershift import HOSTED_CLUSTER, NODE_POOL
from pilotage.api.meta import Kind, Object
from pilotage.api.pilotage import CONTROL_PLANE_SETTINGS

NAMES = [
    ("hc", HOSTED_CLUSTER),
    ("hcs", HOSTED_CLUSTER),
    ("HC", HOSTED_CLUSTER),
    ("hostedcluster", HOSTED_CLUSTER),
    ("HostedCluster", HOSTED_CLUSTER),
    ("hostedclusters", HOSTED_CLUSTER),
    ("hostedclusters.hypershift.openshift.io", HOSTED_CLUSTER),
    ("hostedcluster.hypershift.openshift.io", HOSTED_CLUSTER),
    ("nps", NODE_POOL),
    ("cpsettings", CONTROL_PLANE_SETTINGS),
]


@pytest.mark.parametrize(("name", "kind"), NAMES)
def test_a_kind_answers_to_all_its_names(name, kind):
    """Kind, plural, singular, short name, with or without group, in any case."""
    assert kind == kinds.find(name)


@pytest.mark.parametrize("kind", kinds.KNOWN, ids=lambda kind: kind.resource)
def test_no_name_means_two_kinds(kind):
    """Every known kind is found by each of its names."""
    assert {kind} == {kinds.find(name) for name in kinds.names_of(kind)}


def test_an_unknown_name_is_refused_with_what_is_close():
    """A typo is answered by the kind that was meant, and by the list of all."""
    with pytest.raises(InputError) as caught:
        kinds.find("hostedcluser")

    assert "UnknownKind" == caught.value.code
    assert 'no kind called "hostedcluser"; did you mean hostedclusters?' in caught.value.message
    assert "imagetagmirrorsets" in caught.value.hint


def test_a_name_like_nothing_gets_the_list():
    """No far-fetched suggestion."""
    with pytest.raises(InputError) as caught:
        kinds.find("qqq")

    assert 'there is no kind called "qqq"' == caught.value.message


def test_the_kind_of_an_object_is_known_by_group_and_version():
    """The same word in another group is another kind."""
    ours = Object.of({"apiVersion": "hypershift.openshift.io/v1beta1", "kind": "HostedCluster"})
    other = Object.of({"apiVersion": "example.com/v1", "kind": "HostedCluster"})

    assert HOSTED_CLUSTER == kinds.of_object(ours)
    assert Kind("example.com", "v1", "HostedCluster", "hostedclusters", namespaced=False) == kinds.of_object(
        other
    )


@pytest.mark.parametrize(
    ("kind", "plural"),
    [("Ingress", "ingresses"), ("NetworkPolicy", "networkpolicies"), ("Box", "boxes"), ("Pod", "pods")],
)
def test_plurals_are_guessed_as_kubernetes_guesses_them(kind, plural):
    """For kinds that nobody defined."""
    assert plural == kinds.guess("example.com/v1", kind, namespaced=True).plural
