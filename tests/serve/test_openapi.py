"""The description of the service holds: what it lists is answered as it says."""

from __future__ import annotations

from typing import Any

import pytest

from .services import Client, service


def test_every_route_is_described() -> None:
    described = Client(service()).get("/openapi.json").json()
    assert set(described["paths"]) == {
        "/v1/classify", "/v1/read", "/v1/systemone", "/v1/decisions", "/v1/models",
        "/health", "/ready", "/metrics",
    }  # fmt: skip
    for path in described["paths"].values():
        for operation in path.values():
            assert operation["summary"]
            assert {"401", "421"} <= operation["responses"].keys()


def test_nothing_is_loaded_from_elsewhere() -> None:
    for path in ("/docs", "/redoc"):
        assert Client(service()).get(path).status_code == 404


schemathesis: Any = pytest.importorskip("schemathesis")
from hypothesis import HealthCheck, Phase, settings  # noqa: E402
from schemathesis.specs.openapi.checks import positive_data_acceptance  # noqa: E402

from sentixrl.serve.app import make_app  # noqa: E402
from sentixrl.serve.guard import Access  # noqa: E402

# The name by which its client calls an application.
access = Access(names=frozenset({"testserver"}))
schema = schemathesis.openapi.from_asgi("/openapi.json", make_app(service(access=access)))


@schema.parametrize()  # type: ignore[untyped-decorator]
@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_described(case: Any) -> None:  # noqa: ANN401
    # What a body has to say goes beyond what a schema can: exactly one input, labels that differ.
    case.call_and_validate(excluded_checks=[positive_data_acceptance])
