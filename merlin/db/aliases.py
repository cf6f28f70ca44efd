"""Aliases: moving names of one version of a model."""

from __future__ import annotations

from uuid import UUID

from merlin.db.actor import Actor
from merlin.db.audit import Act, WorkToDo, record_act
from merlin.db.events import NewEvent
from merlin.db.models import lock_model
from merlin.db.outbox import Work
from merlin.db.tables import Alias, Model, Version
from merlin.db.transaction import Transaction, transaction
from merlin.errors import NotFound


async def set_alias(actor: Actor, *, version_id: UUID, alias: str) -> Version:
    """Let the alias (already checked) name this version, wherever it was before. Raises NotFound."""
    async with transaction() as tx:
        model, version = await _version_of(tx, version_id)
        held = await tx.find(Alias, "FOR UPDATE", model_id=model.id, name=alias)
        if held is not None and held.version_id == version_id:
            return version
        before = await tx.find(Version, id=held.version_id) if held is not None else None
        await tx.execute(
            """
            INSERT INTO alias (id, model_id, version_id, name, set_by) VALUES (gen_random_uuid(), $1, $2, $3, $4)
            ON CONFLICT (model_id, name) DO UPDATE
              SET version_id = excluded.version_id, set_by = excluded.set_by, set_at = now()
            """,
            model.id,
            version_id,
            alias,
            actor.subject,
        )
        await _record(tx, actor, model, alias, before=before, after=version)
    return version


async def remove_alias(actor: Actor, *, model_id: UUID, alias: str) -> Version:
    """Remove an alias; the version that had it. Raises NotFound."""
    async with transaction() as tx:
        model = await lock_model(tx, model_id)
        held = await tx.find(Alias, "FOR UPDATE", model_id=model_id, name=alias)
        version = await tx.find(Version, id=held.version_id) if held is not None else None
        if held is None or version is None:
            raise NotFound(f"The model has no alias {alias!r}.", path=("alias",))
        await tx.execute("DELETE FROM alias WHERE id = $1", held.id)
        await _record(tx, actor, model, alias, before=version, after=None)
    return version


async def _version_of(tx: Transaction, version_id: UUID) -> tuple[Model, Version]:
    model_id = await tx.value("SELECT model_id FROM version WHERE id = $1", version_id)
    if model_id is None:
        raise NotFound("There is no such version.", path=("versionId",))
    model = await lock_model(tx, model_id)
    version = await tx.find(Version, "FOR KEY SHARE", id=version_id)
    if version is None:
        raise NotFound("There is no such version.", path=("versionId",))
    return model, version


async def _record(
    tx: Transaction, actor: Actor, model: Model, alias: str, *, before: Version | None, after: Version | None
) -> None:
    """One line for each version that is concerned, and its tags in MLflow."""
    said = {
        (True, True): f"Alias {alias} moved from version {before and before.number} to {after and after.number}.",
        (True, False): f"Alias {alias} removed from version {before and before.number}.",
        (False, True): f"Alias {alias} set on version {after and after.number}.",
    }[before is not None, after is not None]
    concerned = [version for version in (before, after) if version is not None]
    data = {"alias": alias, "from": before.number if before else None, "to": after.number if after else None}
    events = [
        NewEvent(
            type="version.alias_changed",
            subject_type="Version",
            subject_id=version.id,
            project_id=model.project_id,
            model_id=model.id,
            message=said,
            data=data,
            actor=actor.subject,
        )
        for version in concerned
    ]
    subject = concerned[-1].id
    act = Act(
        "version.alias_changed",
        "Version",
        subject,
        model.project_id,
        before={"alias": alias, "version": data["from"]},
        after={"alias": alias, "version": data["to"]},
    )
    work = [WorkToDo(Work.MIRROR_VERSION_TAGS, version.id) for version in concerned]
    await record_act(tx, actor, act, events=events, work=work)
