"""/ops/keys: who may call, what it costs, and what each may."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session
from werkzeug.exceptions import BadRequest, NotFound

from api.dashboard.visits import Visit
from core import accounts, audit, keys, terms
from core.accounts import Account
from core.keys import KeyLimits
from core.orm import ApiKey

NAME = 100
# What a form leaves empty does not limit.
LIMITS = [name for name in terms.TERMS if name not in {"models", "reattaches", "admin"}]


def show(visit: Visit) -> str:
    named = visit.query.get("named", "")[:NAME]
    found = visit.glass.look(("keys", named), lambda: _every(visit, named))
    return visit.render("keys.html", title="Keys", accounts=found, named=named, most=accounts.MOST, terms=terms)


def one(visit: Visit, key_id: UUID) -> str:
    return _page(visit, key_id)


def create(visit: Visit) -> ResponseReturnValue:
    """The key is on the answer of this one request, and nowhere else."""
    name = visit.form.get("name", "").strip()
    if not 1 <= len(name) <= NAME:
        raise BadRequest(f"A key needs a name of at most {NAME} characters.")
    limits = _limits(visit, _models(visit))
    with visit.services.database.transaction() as session:
        secret = keys.create(session, name, KeyLimits(**limits))
        caller = keys.find(session, secret)
        assert caller  # it was made a moment ago
        _record(visit, session, "key.create", caller.key_id, name=name, **_told(limits))
    return _page(visit, caller.key_id, secret=secret)


def change(visit: Visit, key_id: UUID) -> ResponseReturnValue:
    limits = _limits(visit, _models(visit, _one(visit, key_id).key))
    with visit.services.database.transaction() as session:
        if not keys.change(session, key_id, limits):
            raise _missing(key_id)
        _record(visit, session, "key.change", key_id, **_told(limits))
    return visit.done("The key's limits hold from now on.", go_to=f"/ops/keys/{key_id}")


def revoke(visit: Visit, key_id: UUID) -> ResponseReturnValue:
    with visit.services.database.transaction() as session:
        if not keys.revoke(session, key_id):
            raise NotFound(f"There is no key {key_id} in force.")
        _record(visit, session, "key.revoke", key_id)
    return visit.done("The key is shut out from now on.", go_to=f"/ops/keys/{key_id}")


def _every(visit: Visit, named: str) -> list[Account]:
    with visit.reading() as session:
        return accounts.every(session, named=named)


def _one(visit: Visit, key_id: UUID) -> Account:
    with visit.reading() as session:
        account = accounts.one(session, key_id)
    if account is None:
        raise _missing(key_id)
    return account


def _page(visit: Visit, key_id: UUID, *, secret: str | None = None) -> str:
    account = visit.glass.look(("key", key_id), lambda: _one(visit, key_id))
    return visit.render(
        "key.html",
        title=f"Keys · {account.key.name}",
        account=account,
        secret=secret,
        limits={**keys.limits_of(account.key), **_of_budget(account)},
        models=_models(visit, account.key),
        terms=terms,
    )


def _models(visit: Visit, key: ApiKey | None = None) -> list[str]:
    """Those to choose from: the catalog's, and what the key may use that is not there now.

    Without these, whoever changes a cap would open all models to a key whose own have lost their provider.
    """
    offered = [model.id for model in visit.services.catalog.models]
    return [*offered, *(model for model in (key and key.models) or () if model not in offered)]


def _of_budget(account: Account) -> dict[str, object]:
    return {name: getattr(account.budget, name) for name in keys.OF_BUDGET}


def _limits(visit: Visit, models: Sequence[str]) -> dict[str, Any]:
    """Raises BadRequest."""
    given: dict[str, Any] = {"reattaches": visit.form.get("reattaches") == "yes"}
    for name in LIMITS:
        text = visit.form.get(name, "").strip()
        try:
            given[name] = terms.TERMS[name].read(text or (terms.NONE if name != "weight" else "1"))
        except ValueError as error:
            raise BadRequest(f"{name.replace('_', ' ')}: {error}.") from error
    chosen = [model for model in visit.form.getlist("models") if model in models]
    return {**given, "models": tuple(chosen) if chosen else None}


def _told(limits: dict[str, Any]) -> dict[str, str]:
    """For the audit: what does limit."""
    return {name: terms.written(_listed(value)) for name, value in limits.items() if value is not None}


def _listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _record(visit: Visit, session: Session, action: str, key_id: UUID, **detail: str) -> None:
    subject = f"key {key_id}"
    audit.record(session, actor=visit.user.name, action=action, subject=subject, why=visit.why, detail=detail)


def _missing(key_id: UUID) -> NotFound:
    return NotFound(f"There is no key {key_id}.")
