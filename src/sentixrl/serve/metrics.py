"""What a service counts, for Prometheus.

Contract: every series has few labels of few values: routes, methods, statuses, models. What engines
and workers know is read when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from sentixrl.engines.protocol import Engine
from sentixrl.engines.remote.refusals import MOST_PATIENCE
from sentixrl.engines.roles import remote_engines
from sentixrl.negotiation.scheduling import WorkerState
from sentixrl.prediction import Status
from sentixrl.serve.batcher import Batcher
from sentixrl.serve.served import Models, ServedModel

STALLED_SECONDS = 120.0
"""A worker whose step takes longer than this is taken for dead, if its model is here."""
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_TURNS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


def states_of(model: ServedModel) -> list[str]:
    """What each worker of a model is doing: ``idle``, ``busy``, ``stalled`` or ``dead``."""
    stalled = stalled_seconds(model.engine)
    return [state_of(worker, stalled) for worker in model.classifier.scheduler.states()]


def stalled_seconds(engine: Engine) -> float:
    """After how long a step has no end: a server may be asked several times, and let one wait."""
    asked = (one.server.options for one in remote_engines(engine))
    return max([STALLED_SECONDS, *(one.attempts * (one.timeout + MOST_PATIENCE) for one in asked)])


def state_of(worker: WorkerState, stalled: float = STALLED_SECONDS) -> str:
    """``idle``, ``busy``, ``stalled`` or ``dead``."""
    if not worker.alive:
        return "dead"
    if not worker.busy:
        return "idle"
    return "stalled" if worker.seconds > stalled else "busy"


class Metrics:
    """The counters of one service.

    Args:
        models: What it answers with.
        batcher: What waits.
    """

    def __init__(self, models: Models, batcher: Batcher) -> None:
        self._registry = CollectorRegistry()
        self._models, self._batcher = models, batcher
        self._requests = Counter(
            "sentixrl_requests", "Requests by route, method and status.",
            ["route", "method", "status"], registry=self._registry,
        )  # fmt: skip
        self._latency = Histogram(
            "sentixrl_request_seconds", "From a request's first byte to its answer's last.",
            ["route"], buckets=_SECONDS, registry=self._registry,
        )  # fmt: skip
        self._turns = Counter(
            "sentixrl_turns", "Utterances and questions answered, by how they ended.",
            ["model", "status"], registry=self._registry,
        )  # fmt: skip
        self._steps = Histogram(
            "sentixrl_step_turns", "Turns that share a step of the model.",
            ["model"], buckets=_TURNS, registry=self._registry,
        )  # fmt: skip
        self._registry.register(self)
        for model in models:
            model.classifier.scheduler.watch(self._steps.labels(model.name).observe)

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, method, str(status)).inc()
        self._latency.labels(route).observe(seconds)

    def turn(self, model: str, status: Status) -> None:
        """Count an answer."""
        self._turns.labels(model, status.value).inc()

    def text(self) -> bytes:
        """All of it, in the text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """What is read when it is asked for."""
        yield GaugeMetricFamily(
            "sentixrl_queue_tokens", "Tokens that wait or are computed.", self._batcher.tokens
        )
        yield GaugeMetricFamily(
            "sentixrl_open_requests", "Requests accepted and not answered.", self._batcher.requests
        )
        waiting = GaugeMetricFamily(
            "sentixrl_waiting_dialogues", "Dialogues no worker has begun.", labels=["model"]
        )
        workers = GaugeMetricFamily(
            "sentixrl_workers", "Workers by what they do.", labels=["model", "state"]
        )
        computed = CounterMetricFamily(
            "sentixrl_tokens_computed", "Tokens the model computed.", labels=["model"]
        )
        shared = CounterMetricFamily(
            "sentixrl_tokens_shared", "Tokens of prompts that were not computed again.",
            labels=["model"],
        )  # fmt: skip
        passes = CounterMetricFamily(
            "sentixrl_passes", "Forward passes, or calls to a server.", labels=["model"]
        )
        for model in self._models:
            scheduler, usage = model.classifier.scheduler, model.engine.usage
            waiting.add_metric([model.name], scheduler.waiting)
            states = states_of(model)
            for state in ("idle", "busy", "stalled", "dead"):
                workers.add_metric([model.name, state], states.count(state))
            computed.add_metric([model.name], usage.tokens)
            shared.add_metric([model.name], max(0, usage.prompt_tokens - usage.tokens))
            passes.add_metric([model.name], usage.passes)
        yield from (waiting, workers, computed, shared, passes)
