"""How a definition says its versions are converted: `None`, or by a webhook, which must be described well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from pilotage.store.schema import problems
from pilotage.store.schema.definition import ClientConfig, Conversion, ServiceReference
from pilotage.store.schema.names import dns_label_1035, dns_subdomain
from pilotage.store.schema.problems import Problem

__all__ = ["conversion_problems"]

_REVIEWS = ("v1", "v1beta1")
_FORM = "; desired format: https://host[/path]"


def conversion_problems(conversion: Conversion | None, path: str) -> Iterator[Problem]:
    """The paths are those of the API server's internal form: `webhookClientConfig` stands beside `strategy`."""
    if conversion is None:
        return
    if not conversion.strategy:
        yield problems.required(f"{path}.strategy")
    elif conversion.strategy not in {"None", "Webhook"}:
        yield problems.not_supported(f"{path}.strategy", conversion.strategy, ("None", "Webhook"))
    webhook = conversion.webhook
    config = webhook.client_config if webhook is not None else None
    reviews = webhook.conversion_review_versions if webhook is not None else []
    if conversion.strategy == "Webhook":
        if config is None:
            yield problems.required(f"{path}.webhookClientConfig", "required when strategy is set to Webhook")
        else:
            yield from _config(config, f"{path}.webhookClientConfig")
        yield from _reviews(reviews, f"{path}.conversionReviewVersions")
        return
    text = "should not be set when strategy is not set to Webhook"
    if config is not None:
        yield problems.forbidden(f"{path}.webhookClientConfig", text)
    if reviews:
        yield problems.forbidden(f"{path}.conversionReviewVersions", text)


def _config(config: ClientConfig, path: str) -> Iterator[Problem]:
    if (config.url is None) == (config.service is None):
        yield problems.required(path, "exactly one of url or service is required")
    elif config.url is not None:
        yield from _url(config.url, f"{path}.url")
    elif config.service is not None:
        yield from _service(config.service, f"{path}.service")


def _url(url: str, field: str) -> Iterator[Problem]:
    parts = urlsplit(url)
    if parts.scheme != "https":
        yield problems.invalid(field, parts.scheme, f"'https' is the only allowed URL scheme{_FORM}")
    user, _, host = parts.netloc.rpartition("@")
    if not host:
        yield problems.invalid(field, "", f"host must be specified{_FORM}")
    if user:
        yield problems.invalid(field, user, "user information is not permitted in the URL")
    if parts.fragment:
        yield problems.invalid(field, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        yield problems.invalid(field, parts.query, "query parameters are not permitted in the URL")


def _service(service: ServiceReference, path: str) -> Iterator[Problem]:
    # The API server names the one where the other is missing.
    if not service.namespace:
        yield problems.required(f"{path}.name")
    if not service.name:
        yield problems.required(f"{path}.namespace")
    port = service.port if service.port is not None else 443
    if not 1 <= port <= 65535:
        text = "port is not valid: must be between 1 and 65535, inclusive"
        yield problems.invalid(f"{path}.port", port, text)
    url_path = service.path
    if not url_path or url_path == "/":
        return
    here = f"{path}.path"
    if url_path == "//":
        yield problems.invalid(here, url_path, "segment[0] may not be empty")
        return
    if not url_path.startswith("/"):
        yield problems.invalid(here, url_path, "must start with a '/'")
    for index, step in enumerate(url_path[1:].removesuffix("/").split("/")):
        if not step:
            yield problems.invalid(here, url_path, f"segment[{index}] may not be empty")
            continue
        for fault in dns_subdomain(step):
            yield problems.invalid(here, url_path, f"segment[{index}]: {fault}")


def _reviews(versions: Sequence[str], path: str) -> Iterator[Problem]:
    if not versions:
        yield problems.required(path)
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield problems.invalid(f"{path}[{index}]", version, "duplicate version")
            continue
        for fault in dns_label_1035(version):
            yield problems.invalid(f"{path}[{index}]", version, fault)
    if not set(versions) & set(_REVIEWS):
        text = f"must include at least one of {', '.join(_REVIEWS)}"
        yield problems.invalid(path, list(versions), text)
