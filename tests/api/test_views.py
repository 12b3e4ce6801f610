"""What the typed views read, and what they leave alone."""

import msgspec
import pytest

from pilotage.api import config, core, hypershift, pilotage
from pilotage.api.errors import InputError
from pilotage.api.manifest import load_objects

CLUSTER = """
apiVersion: hypershift.openshift.io/v1beta1
kind: HostedCluster
metadata:
  name: a
  namespace: clusters
  creationTimestamp: null
spec:
  release: {image: quay.io/ocp/release:4.20.1}
  controlPlaneRelease: {image: quay.io/ocp/release:4.20.3}
  pullSecret: {name: pull}
  platform: {type: AWS, aws: {region: us-east-1}}
  configuration: {proxy: {httpsProxy: "http://p", noProxy: ".local"}}
  imageContentSources:
  - {source: quay.io/ocp, mirrors: [m.example.com/ocp]}
  somethingNew: {x: 1}
status:
  version:
    desired: {image: quay.io/ocp/release:4.20.1}
    history:
    - {state: Completed, version: 4.20.1, image: quay.io/ocp/release:4.20.1, startedTime: x}
  conditions:
  - {type: Available, status: "True", reason: AsExpected, message: "", lastTransitionTime: "2026-05-20T00:00:00Z"}
"""


def one(text):
    (item,) = load_objects(text)
    return item


def test_a_hosted_cluster_is_read():
    """Every field that decides about images."""
    cluster = one(CLUSTER).view(hypershift.HostedCluster)

    assert "quay.io/ocp/release:4.20.3" == cluster.control_plane_release
    assert ("AWS", "pull", ".local") == (
        cluster.platform,
        cluster.pull_secret,
        cluster.spec.configuration.proxy.no_proxy,
    )
    assert ("quay.io/ocp", ("m.example.com/ocp",)) == (
        cluster.spec.image_content_sources[0].source,
        cluster.spec.image_content_sources[0].mirrors,
    )
    assert "4.20.1" == cluster.status.version.history[0].version
    assert ["Available"] == [condition.type for condition in cluster.conditions]


@pytest.mark.parametrize("control_plane", ["", "controlPlaneRelease: null", "controlPlaneRelease: {}"])
def test_without_a_release_of_its_own_the_control_plane_follows_the_cluster(control_plane):
    """Absent, null and empty are the same."""
    text = (
        "apiVersion: hypershift.openshift.io/v1beta1\nkind: HostedCluster\nmetadata: {name: a}\n"
        f"spec:\n  release: {{image: r}}\n  {control_plane}\n"
    )

    assert "r" == one(text).view(hypershift.HostedCluster).control_plane_release


def test_an_empty_hosted_cluster_is_read():
    """A hand-written manifest may hold next to nothing."""
    cluster = one("apiVersion: hypershift.openshift.io/v1beta1\nkind: HostedCluster\n").view(
        hypershift.HostedCluster
    )

    assert ("", "", "", ()) == (
        cluster.control_plane_release,
        cluster.platform,
        cluster.pull_secret,
        cluster.conditions,
    )


def test_a_node_pool_is_read():
    """Which cluster, which release."""
    pool = one(
        "apiVersion: hypershift.openshift.io/v1beta1\nkind: NodePool\nmetadata: {name: a}\n"
        "spec: {clusterName: c, replicas: 3, release: {image: r}, management: {upgradeType: Replace}}\n"
        "status: {version: 4.20.1, conditions: []}\n"
    ).view(hypershift.NodePool)

    assert ("c", "r", 3, ()) == (pool.cluster, pool.release, pool.spec.replicas, pool.conditions)


def test_a_field_of_another_type_is_named():
    """Object and path, never the value."""
    item = one(CLUSTER.replace("{name: pull}", "{name: [hunter2]}"))

    with pytest.raises(InputError) as caught:
        item.view(hypershift.HostedCluster)

    assert "HostedCluster clusters/a: " in caught.value.message
    assert "$.spec.pullSecret.name" in caught.value.message
    assert "hunter2" not in caught.value.message


MIRRORS = [
    ("config.openshift.io/v1", "ImageDigestMirrorSet", "imageDigestMirrors", config.ImageDigestMirrorSet),
    ("config.openshift.io/v1", "ImageTagMirrorSet", "imageTagMirrors", config.ImageTagMirrorSet),
    ("operator.openshift.io/v1alpha1", "ImageContentSourcePolicy", "repositoryDigestMirrors", config.ImageContentSourcePolicy),
]  # fmt: skip


@pytest.mark.parametrize(("api_version", "kind", "field", "view"), MIRRORS)
def test_mirror_objects_are_read_alike(api_version, kind, field, view):
    """Three kinds, one way to walk them."""
    text = (
        f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n"
        f"spec: {{{field}: [{{source: s, mirrors: [m], mirrorSourcePolicy: NeverContactSource}}, {{source: t}}]}}\n"
    )

    entries = one(text).view(view).entries

    assert [("s", ("m",), "NeverContactSource"), ("t", None, "")] == [
        (entry.source, entry.mirrors, entry.mirror_source_policy) for entry in entries
    ]
    assert () == one(f"apiVersion: {api_version}\nkind: {kind}\n").view(view).entries


def test_a_secret_gives_decoded_content():
    """Base64 under data, text under stringData, which wins."""
    secret = one(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: aGk=, b: aGk=}\nstringData: {b: yo}\n"
    ).view(core.Secret)

    assert (b"hi", b"yo", None) == (secret.read("a"), secret.read("b"), secret.read("c"))


def test_a_secret_never_shows_its_content():
    """Neither in an error nor in its representation."""
    item = one("apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: b}\ndata: {x: '!hunter2'}\n")
    secret = item.view(core.Secret)

    with pytest.raises(InputError, match=r"Secret b/a: data\[x\] is not base64") as caught:
        secret.read("x")

    assert "hunter2" not in repr(item) + repr(secret) + str(caught.value)


def test_settings_have_the_defaults_of_their_schema():
    """Nothing is on unless somebody switched it on."""
    settings = one(
        "apiVersion: controlplane.pilotage.dev/v1alpha1\nkind: ControlPlaneSettings\nmetadata: {name: default}\n"
    )

    spec = settings.view(pilotage.ControlPlaneSettings).spec

    assert ("off", False, "warn", 0, None) == (
        spec.operator_image_for_cpo,
        spec.overrides_enabled,
        spec.attestation_mode,
        spec.canary_percent,
        spec.operator_has_binary,
    )


def test_settings_are_read():
    """Names on the wire are as documented."""
    settings = one(
        """
apiVersion: controlplane.pilotage.dev/v1alpha1
kind: ControlPlaneSettings
metadata: {name: default}
spec:
  operatorImage: quay.io/acm/hypershift:1
  operatorHasBinary: true
  operatorImageForCPO: "on"
  overridesEnabled: true
  overridesConfigMap: {namespace: hypershift, name: overrides}
  attestationMode: enforce
  attestations: [{digest: "sha256:%s", platform: aro-hcp}]
  canaryPercent: 25
"""
        % ("0" * 64)
    ).view(pilotage.ControlPlaneSettings)

    assert {
        "operatorImage": "quay.io/acm/hypershift:1",
        "operatorHasBinary": True,
        "operatorImageForCPO": "on",
        "overridesEnabled": True,
        "overridesConfigMap": {"namespace": "hypershift", "name": "overrides"},
        "attestationMode": "enforce",
        "canaryPercent": 25,
    }.items() <= msgspec.to_builtins(settings.spec).items()
    assert ("sha256:" + "0" * 64, "aro-hcp") == (
        settings.spec.attestations[0].digest,
        settings.spec.attestations[0].platform,
    )


@pytest.mark.parametrize("view", [definition.view for definition in pilotage.DEFINITIONS])
def test_unknown_fields_do_not_disturb(view):
    """A newer writer may say more."""
    item = one(
        "apiVersion: a/v1\nkind: X\nmetadata: {name: default}\nspec: {new: 1}\nstatus: {new: [2]}\nmore: 3\n"
    )

    assert "default" == item.view(view).metadata.name
