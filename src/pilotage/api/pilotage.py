"""Our own kinds (`controlplane.pilotage.dev/v1alpha1`): what was decided for each hosted cluster, and how to decide.

ControlPlaneImage has the namespace and the name of its HostedCluster and is written by the controller alone.
ControlPlaneSettings is one object for the whole management cluster, named `default`, and is written by people.
Their CustomResourceDefinitions are generated from these types (`api.crd`).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from pilotage.api.crd import Column, Definition
from pilotage.api.meta import Condition, Kind, Meta

__all__ = [
    "CONTROL_PLANE_IMAGE",
    "CONTROL_PLANE_SETTINGS",
    "DEFINITIONS",
    "GROUP",
    "HOLD_UNTIL_ANNOTATION",
    "IMAGE_SOURCE_ANNOTATION",
    "KINDS",
    "SETTINGS_NAME",
    "Attestation",
    "ConfigMapReference",
    "ControlPlaneImage",
    "ControlPlaneImageStatus",
    "ControlPlaneSettings",
    "ControlPlaneSettingsSpec",
    "ControlPlaneSettingsStatus",
    "ImageWarning",
]

GROUP: Final = "controlplane.pilotage.dev"
CONTROL_PLANE_IMAGE: Final = Kind(
    GROUP, "v1alpha1", "ControlPlaneImage", "controlplaneimages", short_names=("cpi", "cpis")
)
CONTROL_PLANE_SETTINGS: Final = Kind(
    GROUP,
    "v1alpha1",
    "ControlPlaneSettings",
    "controlplanesettings",
    namespaced=False,
    short_names=("cpsettings",),
)
KINDS: Final = (CONTROL_PLANE_IMAGE, CONTROL_PLANE_SETTINGS)
SETTINGS_NAME: Final = "default"

IMAGE_SOURCE_ANNOTATION: Final = f"{GROUP}/cpo-image-source"
HOLD_UNTIL_ANNOTATION: Final = f"{GROUP}/cpo-image-hold-until"


def _about(description: str, **more: object) -> msgspec.Meta:
    return msgspec.Meta(description=description, extra_json_schema=more or None)


Conditions = Annotated[
    tuple[Condition, ...],
    _about(
        "What is known about the object, one entry for each type.",
        **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]


class ImageWarning(msgspec.Struct, frozen=True, rename="camel"):
    """Something about the decision that a person should know."""

    code: Annotated[str, _about("Stable, in UpperCamelCase.")]
    message: str = ""


class ControlPlaneImageStatus(msgspec.Struct, frozen=True, rename="camel"):
    """The control plane operator image of the hosted cluster, and why it is this one."""

    image: Annotated[str, _about("The pull spec that was chosen.")] = ""
    digest: Annotated[str, _about("Its digest; empty when the pull spec names a tag.")] = ""
    rule: Annotated[str, _about("The rule that chose it.")] = ""
    reason: Annotated[str, _about("The reason of the condition CPOImageResolved.")] = ""
    version: Annotated[str, _about("The release version that was looked at.")] = ""
    operator_image: Annotated[
        str, _about("The operator image that was configured when the image was chosen.")
    ] = ""
    operator_digest: Annotated[str, _about("The digest that it named then.")] = ""
    resolved_at: Annotated[str, _about("When the answer last changed, RFC 3339.", format="date-time")] = ""
    hold_expiry_reported: Annotated[str, _about("The hold whose expiry was reported already.")] = ""
    warnings: Annotated[tuple[ImageWarning, ...], _about("What a person should know.")] = ()
    conditions: Conditions = ()


class ControlPlaneImage(msgspec.Struct, frozen=True, rename="camel"):
    """The control plane operator image that was chosen for the HostedCluster of the same namespace and name."""

    metadata: Meta = Meta()
    status: ControlPlaneImageStatus = ControlPlaneImageStatus()


class Attestation(msgspec.Struct, frozen=True, rename="camel"):
    """The gate's word that it tested an operator image for a platform."""

    digest: Annotated[
        str, msgspec.Meta(description="Digest of the operator image.", pattern="^sha256:[0-9a-f]{64}$")
    ]
    platform: Annotated[str, _about("The gate's platform: aro-hcp, rosa-hcp or gcp-hcp.")]
    at: Annotated[str, _about("When it was given, RFC 3339.", format="date-time")] = ""
    guest_minors: Annotated[
        tuple[str, ...], _about("Minor versions of hosted clusters that were tested, such as 4.20.")
    ] = ()


class ConfigMapReference(msgspec.Struct, frozen=True, rename="camel"):
    """A ConfigMap on the management cluster."""

    namespace: str
    name: str


class ControlPlaneSettingsSpec(msgspec.Struct, frozen=True, rename="camel"):
    """What is the same for every hosted cluster of this management cluster."""

    operator_image: Annotated[str, _about("The image that the HyperShift operator runs as.")] = ""
    operator_has_binary: Annotated[
        bool | None,
        _about(
            "Whether that image carries /usr/bin/control-plane-operator. Null: look into the image in the registry."
        ),
    ] = None
    operator_image_for_cpo: Annotated[
        Literal["off", "canary", "on"],
        _about(
            "Whether the operator's own image serves as control plane operator from 4.20 on:"
            " for no cluster, for those of the canary, for all."
        ),
    ] = msgspec.field(name="operatorImageForCPO", default="off")
    canary_percent: Annotated[
        int,
        msgspec.Meta(
            description="Hosted clusters that take part in the canary, by a stable hash of their UID.",
            ge=0,
            le=100,
        ),
    ] = 0
    overrides_enabled: Annotated[bool, _about("Whether the override table is looked at.")] = False
    overrides_config_map: Annotated[
        ConfigMapReference | None, _about("The override table, under the key overrides.yaml.")
    ] = None
    registry_overrides: Annotated[
        dict[str, str], _about("Source to destination: rewrites the pull specs of payload components.")
    ] = msgspec.field(default_factory=dict)
    attestation_mode: Annotated[
        Literal["off", "warn", "enforce"],
        _about("What follows when the gate did not attest the operator image for the platform."),
    ] = "warn"
    attestation_max_age_days: Annotated[
        int, msgspec.Meta(description="Older attestations do not count; 0: they do not age.", ge=0)
    ] = 0
    attestations: Annotated[
        tuple[Attestation, ...],
        _about(
            "What the gate attested.",
            **{"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["digest", "platform"]},
        ),
    ] = ()
    require_proven_cell: Annotated[
        Literal["off", "warn", "enforce"],
        _about("What follows when the combination of versions was not proven with the operator image."),
    ] = "off"


class ControlPlaneSettingsStatus(msgspec.Struct, frozen=True, rename="camel"):
    """What became of the settings."""

    operator_digest: Annotated[str, _about("The digest that operatorImage names.")] = ""
    conditions: Conditions = ()


class ControlPlaneSettings(msgspec.Struct, frozen=True, rename="camel"):
    """How the control plane operator image is chosen on this management cluster. There is one, named default."""

    metadata: Meta = Meta()
    spec: ControlPlaneSettingsSpec = ControlPlaneSettingsSpec()
    status: ControlPlaneSettingsStatus = ControlPlaneSettingsStatus()


DEFINITIONS: Final = (
    Definition(
        CONTROL_PLANE_IMAGE,
        ControlPlaneImage,
        columns=(
            Column("Rule", ".status.rule", description="The rule that chose the image."),
            Column("Version", ".status.version"),
            Column("Resolved", '.status.conditions[?(@.type=="CPOImageResolved")].status'),
            Column("Reason", ".status.reason"),
            Column("Image", ".status.image", priority=1),
            Column("Age", ".metadata.creationTimestamp", type="date"),
        ),
    ),
    Definition(
        CONTROL_PLANE_SETTINGS,
        ControlPlaneSettings,
        columns=(
            Column("Operator Image For CPO", ".spec.operatorImageForCPO"),
            Column("Overrides", ".spec.overridesEnabled", type="boolean"),
            Column("Attestation", ".spec.attestationMode"),
            Column("Operator Image", ".spec.operatorImage", priority=1),
        ),
        rules=((f"self.metadata.name == '{SETTINGS_NAME}'", f"the one object is named {SETTINGS_NAME}"),),
    ),
)
"""What `pilotage crds` prints."""
