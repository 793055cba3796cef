"""GET /metrics: the whole house and the HTTP traffic of this front end, as Prometheus reads it."""

from flask import Request, Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from api.dashboard.glass import Glass
from api.metrics.http import Traffic
from api.metrics.ledger import Ledger
from core.bootstrap import Services


class Exposition:
    """Everything that is told, and how."""

    def __init__(self, services: Services, glass: Glass) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(Ledger(services, glass))
        self.traffic = Traffic(self._registry)

    def show(self, request: Request) -> Response:
        """In Prometheus' own format, or as OpenMetrics for who prefers that."""
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(self._registry), content_type=content_type)
