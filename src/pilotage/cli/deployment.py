"""`pilotage deployment`: what a cluster needs so that `pilotage run` runs on it."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["deployment"]


def deployment(
    image: Annotated[str, typer.Option("--image", help="An image with the `pilotage` command.")],
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Where it runs.")] = "pilotage",
    watch: Annotated[
        str,
        typer.Option(
            "--watch", metavar="NAMESPACE", help="The only namespace with hosted clusters. [default: all]"
        ),
    ] = "",
    overrides_table: Annotated[
        str,
        typer.Option(
            "--overrides-table", metavar="NAMESPACE/NAME", help="The ConfigMap that the settings name."
        ),
    ] = "",
    registry_secret: Annotated[
        str,
        typer.Option(
            "--registry-secret", metavar="NAME", help="A Secret there with credentials for registries."
        ),
    ] = "",
    replicas: Annotated[int, typer.Option("--replicas", min=1, help="One acts, the others stand by.")] = 2,
    pull_secrets: Annotated[
        bool,
        typer.Option(
            "--pull-secrets/--no-pull-secrets", help="Whether the clusters' own pull secrets may be read."
        ),
    ] = True,
) -> None:
    """Print the manifests of a deployment: account, least rights, Deployment, metrics Service.

    Example: pilotage deployment --image quay.example.com/tools/pilotage:1.0 | kubectl apply --server-side -f -
    """
    from pilotage.api import yaml
    from pilotage.app.deployment import DeploymentSettings, manifests, read_table

    settings = DeploymentSettings(
        image, namespace, watch, replicas, read_table(overrides_table), registry_secret, pull_secrets
    )
    print(yaml.dump_all(manifests(settings)), end="")
