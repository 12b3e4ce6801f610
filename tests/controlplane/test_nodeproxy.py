"""Whether a new image rolls the nodes: read off the proxy settings as the NodePool controller reads them."""

from __future__ import annotations

from typing import Any

import pytest

from pilotage.controlplane.nodeproxy import image_is_in_ignition


def spec(no_proxy: str = "", https: str = "https://proxy:3128", **rest: Any) -> dict[str, Any]:
    return {"configuration": {"proxy": {"httpsProxy": https, "noProxy": no_proxy}}, **rest}


IPV6 = {"serviceNetwork": [{"cidr": "fd02::/112"}], "clusterNetwork": [{"cidr": "fd01::/48"}]}


@pytest.mark.parametrize(
    ("given", "rolls"),
    [
        pytest.param({}, False, id="no proxy"),
        pytest.param({"configuration": None}, False, id="configuration is null"),
        pytest.param(
            {"configuration": {"proxy": {"httpProxy": "http://p"}}}, False, id="only HTTP is proxied"
        ),
        pytest.param(spec(), True, id="an HTTPS proxy"),
        pytest.param(spec("example.com,10.0.0.0/8"), True, id="noProxy for others"),
        pytest.param(spec("kubernetes.default"), False, id="noProxy names kubernetes"),
        pytest.param(spec("a,172.20.0.1"), False, id="noProxy names the default address"),
        pytest.param(spec("172.31.0.0/16"), False, id="noProxy names the default service network"),
        pytest.param(spec("10.132.0.0/14"), False, id="noProxy names the default pod network"),
        pytest.param(
            spec("172.20.0.1", networking={"apiServer": {"advertiseAddress": "10.1.1.1"}}),
            True,
            id="another address",
        ),
        pytest.param(
            spec("10.1.1.1", networking={"apiServer": {"advertiseAddress": "10.1.1.1"}}),
            False,
            id="its own address",
        ),
        pytest.param(spec("fd00::1", networking=IPV6), False, id="the IPv6 address"),
        pytest.param(spec("172.20.0.1", networking=IPV6), True, id="the IPv4 address of an IPv6 cluster"),
        pytest.param(
            spec(platform={"type": "AWS", "aws": {"endpointAccess": "Private"}}),
            False,
            id="a private cluster",
        ),
        pytest.param(
            spec(platform={"type": "AWS", "aws": {"endpointAccess": "Public"}}), True, id="a public cluster"
        ),
        pytest.param(
            spec(platform={"type": "AWS", "aws": {"region": "x"}}), True, id="access left at its default"
        ),
    ],
)
def test_the_image_is_in_ignition_behind_a_proxy_only(given: dict[str, Any], rolls: bool) -> None:
    """An HTTPS proxy that nodes must use to reach their API server over the internet."""
    assert image_is_in_ignition(given) is rolls
