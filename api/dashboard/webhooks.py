"""/ops/webhooks: who is told of events, what is owed, and how it went."""

from collections.abc import Sequence
from uuid import UUID

from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest, NotFound

from api.dashboard.addresses import Address
from api.dashboard.visits import Visit
from core import audit, deliveries, listeners, webhooks
from core.delivery_reports import History
from core.listeners import Debt, Listener
from core.orm import Webhook
from core.states import DeliveryState

LATEST = 50

Read = tuple[Sequence[Listener], Sequence[History], Debt]


def show(visit: Visit) -> str:
    query = {name: visit.query[name] for name in ("state", "webhook") if visit.query.get(name)}
    found, latest, debt = visit.glass.look(("webhooks", tuple(query.items())), lambda: _read(visit, query))
    return visit.render(
        "webhooks.html",
        title="Webhooks",
        listeners=found,
        latest=latest,
        debt=debt,
        address=Address("/ops/webhooks", query),
        states=DeliveryState,
    )


def enable(visit: Visit, webhook_id: UUID) -> ResponseReturnValue:
    return _switch(visit, webhook_id, enabled=True)


def disable(visit: Visit, webhook_id: UUID) -> ResponseReturnValue:
    return _switch(visit, webhook_id, enabled=False)


def ping(visit: Visit, webhook_id: UUID) -> ResponseReturnValue:
    with visit.services.database.transaction() as session:
        webhooks.ping(session, _find(session, webhook_id))
        _record(visit, session, "webhook.ping", webhook_id)
    return visit.done("It is told webhook.ping.", go_to="/ops/webhooks")


def redeliver(visit: Visit, delivery_id: UUID) -> ResponseReturnValue:
    with visit.services.database.transaction() as session:
        if not deliveries.exists(session, delivery_id):
            raise NotFound(f"There is no delivery {delivery_id}.")
        deliveries.redeliver(session, delivery_id)
        audit.record(
            session,
            actor=visit.user.name,
            action="delivery.redeliver",
            subject=f"delivery {delivery_id}",
            why=visit.why,
        )
    return visit.done("It is told again.", go_to="/ops/webhooks")


def _switch(visit: Visit, webhook_id: UUID, *, enabled: bool) -> ResponseReturnValue:
    with visit.services.database.transaction() as session:
        webhook = _find(session, webhook_id)
        webhooks.change(session, webhook.key_id, webhook_id, {}, enabled=enabled)
        _record(visit, session, "webhook.enable" if enabled else "webhook.disable", webhook_id)
    said = "It is told events again." if enabled else "It is told nothing more; what it was owed was given up."
    return visit.done(said, go_to="/ops/webhooks")


def _find(session: Session, webhook_id: UUID) -> Webhook:
    webhook = listeners.one(session, webhook_id)
    if webhook is None:
        raise NotFound(f"There is no webhook {webhook_id}.")
    return webhook


def _record(visit: Visit, session: Session, action: str, webhook_id: UUID) -> None:
    subject = f"webhook {webhook_id}"
    audit.record(session, actor=visit.user.name, action=action, subject=subject, why=visit.why)


def _read(visit: Visit, query: dict[str, str]) -> Read:
    try:
        state = DeliveryState(query["state"]) if "state" in query else None
        webhook_id = UUID(query["webhook"]) if "webhook" in query else None
    except ValueError as error:
        raise BadRequest(f"This view cannot be shown: {error}.") from error
    with visit.reading() as session:
        return (
            listeners.every(session),
            listeners.latest(session, state=state, webhook_id=webhook_id, limit=LATEST),
            listeners.debt(session),
        )
