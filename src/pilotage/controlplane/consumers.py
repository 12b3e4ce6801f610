"""Who runs the image, or reads its labels, once it is chosen.

The choice reaches much further than one Deployment: sidecars and init containers of some twenty components, and pods on
worker nodes. `explain` lists the consumers so that nobody is surprised. Follows openshift/hypershift
`hypershift-operator/controllers` and `control-plane-operator`.
"""

from __future__ import annotations

import msgspec

__all__ = ["CONSUMERS", "Consumer"]


class Consumer(msgspec.Struct, frozen=True):
    """`on_nodes`: pulled by nodes of the hosted cluster, with their mirrors and the guest's pull secret.

    `differs` says how the consumer upstream comes to its image or labels by other rules than ours; empty when it does not.
    """

    number: int
    name: str
    uses: str
    on_nodes: bool = False
    differs: str = ""


CONSUMERS: tuple[Consumer, ...] = (
    Consumer(
        1, "HostedCluster controller", "image and labels; Pod Security level of the control plane namespace"
    ),
    Consumer(
        2,
        "Deployment control-plane-operator",
        "container image; CONTROL_PLANE_OPERATOR_IMAGE, HOSTED_CLUSTER_CONFIG_OPERATOR_IMAGE, SOCKS5_PROXY_IMAGE,"
        " AVAILABILITY_PROBER_IMAGE, TOKEN_MINTER_IMAGE",
    ),
    Consumer(3, "platform code", "token minter sidecar of the Cluster API provider (AWS, Azure, GCP)"),
    Consumer(4, "Cluster API manager and provider", "token-minter and availability-prober"),
    Consumer(
        5, "karpenter operator", "--control-plane-operator-image; its own container is the operator image"
    ),
    Consumer(
        6,
        "NodePool controller",
        "capability labels: stored form of node config, AWS security group",
        differs="upstream reads the image and ignores the labels annotation",
    ),
    Consumer(
        7,
        "NodePool API server proxy",
        "static pod kube-apiserver-proxy in node ignition, behind an egress proxy; label skips-haproxy",
        on_nodes=True,
        differs="upstream reads the image and ignores the labels annotation",
    ),
    Consumer(8, "sizing controller", "label reports-node-count"),
    Consumer(
        9,
        "etcd backup controller",
        "image of the backup Job",
        differs="upstream looks at an annotation that is never copied to it, then payload, then operator image; it knows"
        " neither overrides nor the version floor",
    ),
    Consumer(
        10,
        "control plane operator",
        "its own image as controlplane-operator, controlplane-pki-operator, hosted-cluster-config-operator, socks5-proxy,"
        " token-minter, availability-prober",
    ),
    Consumer(
        11,
        "control plane workloads",
        "hosted-cluster-config-operator, ignition-server, PKI operator, endpoint resolver, metrics proxy, feature gate Job,"
        " kube-apiserver bootstrap, etcd ensure-dns, konnectivity and token minter sidecars, availability probers",
    ),
    Consumer(
        12,
        "data plane",
        "privileged DaemonSet for the global pull secret on worker nodes",
        on_nodes=True,
    ),
)
