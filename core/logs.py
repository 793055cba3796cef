"""One JSON line an event, on standard output, from every library in the process."""

import logging
import sys
from typing import NamedTuple
from uuid import UUID

import structlog


class Named(NamedTuple):
    """A job, as the lines of its way name it; the attempt is its latest."""

    id: UUID
    attempt: int
    provider: str
    request_id: str

    def facts(self) -> dict[str, str | int]:
        return {
            "job_id": str(self.id),
            "attempt": self.attempt,
            "provider": self.provider,
            "request_id": self.request_id,
        }


def configure() -> None:
    """Send structlog, the standard library's loggers and its warnings through the same JSON renderer."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.captureWarnings(True)
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for chatter in ("celery.worker.strategy", "celery.app.trace"):  # our own lines say the same, with the ids
        logging.getLogger(chatter).setLevel(logging.WARNING)
