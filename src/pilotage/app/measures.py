"""What `pilotage run` tells Prometheus: queues, reconciles, watches, the Lease, and how images are asked for.

Names that every Kubernetes controller has are taken over (`workqueue_*`, `leader_election_master_status`), so that dashboards
and alerts fit; the others begin with `pilotage_`. Nothing is counted twice: each look reads what the runtime counts anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from pilotage import __version__
from pilotage.app.run import Controllers
from pilotage.runtime.runner import Runner

__all__ = ["CONTENT_TYPE", "Measures"]

CONTENT_TYPE = CONTENT_TYPE_LATEST
_Labels = tuple[str, ...]
_WHO = ("user", "nobody", "remote", "us")


class Measures(Collector):
    """The state of one process, as a text for Prometheus."""

    def __init__(self, controllers: Controllers) -> None:
        self._controllers = controllers
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing is asked at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield _gauge("pilotage_build_info", "The version that runs.", ("version",), {(__version__,): 1})
        yield from self._leading()
        yield _counter(
            "pilotage_image_requests",
            "Questions about images, by what was asked for and what came of it.",
            ("request", "result"),
            {key: float(count) for key, count in self._controllers.image_counts.requests.items()},
        )
        if self._controllers.runner is not None:
            yield from _queues(self._controllers.runner)
            yield from _following(self._controllers.runner)

    def _leading(self) -> Iterator[Metric]:
        elector = self._controllers.elector
        name = elector.key.name if elector is not None else "none"
        yield _gauge(
            "leader_election_master_status",
            "1 while this process leads, 0 while it stands by.",
            ("name",),
            {(name,): self._controllers.is_leading},
        )
        terms = elector.terms if elector is not None else 1
        yield _counter(
            "pilotage_terms", "How often this process became the leader.", ("name",), {(name,): terms}
        )


def _queues(runner: Runner) -> Iterator[Metric]:
    """Counted since the term began."""
    queues = runner.metrics()
    label = ("name",)
    yield _gauge("workqueue_depth", "Keys that are ready.", label, {(q.name,): q.depth for q in queues})
    yield _gauge(
        "pilotage_queue_delayed",
        "Keys that wait for their time.",
        label,
        {(q.name,): q.delayed for q in queues},
    )
    yield _counter("workqueue_adds", "Keys that became ready.", label, {(q.name,): q.adds for q in queues})
    yield _counter(
        "workqueue_retries", "Keys that were retried.", label, {(q.name,): q.retries for q in queues}
    )
    yield _gauge(
        "workqueue_longest_running_processor_seconds",
        "How long the longest reconcile that is under way takes already.",
        label,
        {(q.name,): q.longest_running for q in queues},
    )
    waiting = SummaryMetricFamily("workqueue_queue_duration_seconds", "From ready to taken.", labels=label)
    working = SummaryMetricFamily("workqueue_work_duration_seconds", "From taken to done.", labels=label)
    for queue in queues:
        waiting.add_metric((queue.name,), queue.latency.count, queue.latency.total)
        working.add_metric((queue.name,), queue.work.count, queue.work.total)
    yield waiting
    yield working
    yield _counter(
        "pilotage_reconcile_errors",
        "Reconciles that failed, by who acts next.",
        ("controller", "acts_next"),
        {(loop.controller.name, who): loop.errors[who] for loop in runner.loops for who in _WHO},
    )
    yield _gauge(
        "pilotage_problems",
        "Objects whose last reconcile failed, by who acts next.",
        ("controller", "acts_next"),
        {
            (loop.controller.name, who): sum(each.acts_next == who for each in loop.problems.values())
            for loop in runner.loops
            for who in _WHO
        },
    )


def _following(runner: Runner) -> Iterator[Metric]:
    """Several informers of a kind, of one name each, are added up."""
    synced: dict[_Labels, float] = {}
    held: dict[_Labels, float] = {}
    restarts: dict[_Labels, float] = {}
    for informer in runner.informers.single():
        kind = (informer.kind.resource,)
        synced[kind] = min(synced.get(kind, 1), informer.has_synced and informer.last_error is None)
        held[kind] = held.get(kind, 0) + len(informer)
        restarts[kind] = restarts.get(kind, 0) + informer.restarts
    yield _gauge("pilotage_informer_synced", "1 while the kind can be followed.", ("resource",), synced)
    yield _gauge("pilotage_informer_objects", "Objects in memory.", ("resource",), held)
    yield _counter(
        "pilotage_watch_restarts", "Lists and watches that failed and began again.", ("resource",), restarts
    )


def _gauge(name: str, about: str, labels: tuple[str, ...], values: Mapping[_Labels, float]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=labels)
    for key, value in values.items():
        family.add_metric(key, float(value))
    return family


def _counter(name: str, about: str, labels: tuple[str, ...], values: Mapping[_Labels, float]) -> Metric:
    """Its samples end with `_total`."""
    family = CounterMetricFamily(name, about, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, float(value))
    return family
