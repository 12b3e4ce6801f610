"""With whose pull secret are the images of a hosted cluster read? With its own, as its nodes and its operator will.

A Secret that is not there (a dump without Secrets) leaves the access of this process. One that is there and malformed gives a
source that refuses every question with that cause, so that the decision names it instead of quietly reading as somebody else.
"""

from __future__ import annotations

from pilotage.api.core import SECRET, Secret
from pilotage.api.errors import PilotageError
from pilotage.api.meta import ObjectKey
from pilotage.controlplane.hosted import HostedCluster
from pilotage.images.offline import RefusingSource
from pilotage.images.source import ImageSource
from pilotage.room import Services
from pilotage.store.base import NotFoundError

__all__ = ["PULL_SECRET_KEY", "images_of"]

PULL_SECRET_KEY = ".dockerconfigjson"  # noqa: S105 -- the key of the Secret, not its content


async def images_of(services: Services, cluster: HostedCluster) -> ImageSource:
    """The image source of this cluster; the same one for every cluster with an equal pull secret."""
    if services.images_with is None or not cluster.pull_secret:
        return services.images
    key = ObjectKey(cluster.namespace, cluster.pull_secret)
    try:
        document = (await services.objects.get(SECRET, key)).view(Secret).read(PULL_SECRET_KEY)
        if document is None:
            return RefusingSource("PullSecretUnavailable", f"Secret {key} has no key {PULL_SECRET_KEY}")
        return services.images_with(document)
    except NotFoundError:
        return services.images
    except PilotageError as problem:
        return RefusingSource(problem.code, f"Secret {key}: {problem.message}")
