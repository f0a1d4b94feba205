"""Take a model file into the registry: look at it, describe it, try it, keep it. Or leave nothing behind."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Max

from accounts.models import AuditEntry, User
from mlcore.artifacts import Stored
from mlcore.engine import Engine, Failure, Inspection
from mlcore.errors import EngineError, SchemaInvalid, UnsupportedArtifact
from mlcore.infer import examples_from, schema_from
from mlcore.manifest import Manifest
from mlcore.samples import SampleInvalid, read_sample
from mlcore.schema import Schema
from predictions.errors import RegistrationRefused
from predictions.models import CHAMPION, Alias, ModelVersion, RegisteredModel, Visibility
from predictions.services.alias_move import alias_move

TRIAL_SECONDS = 60.0
LONGEST_SECONDS = 86_400
EXAMPLES_KEPT = 3


@dataclass(frozen=True)
class Offer:
    """What a publisher hands in beside the model file.

    sample: a table of inputs, as training saw them; target: its column that holds the answers.
    timeout_seconds, memory_limit_bytes: what a run may take and its process may hold; None: what the server allows.
    document: a JSON Schema for the input, or {"input", "output"}; it overrides what is inferred.
    examples: inputs to show and try, each {"input": {…}} with a "title" where it has one; else the sample's first rows.
    """

    sample: Path | None = None
    target: str | None = None
    document: dict[str, Any] | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    examples: Sequence[dict[str, Any]] = ()
    description: str | None = None
    card: str | None = None
    visibility: str = Visibility.PUBLIC
    timeout_seconds: float | None = None
    memory_limit_bytes: int | None = None


@dataclass(frozen=True)
class Registered:
    """The version, and whether this call made it."""

    version: ModelVersion
    created: bool


def version_register(
    *,
    path: Path,
    name: str,
    offer: Offer,
    engine: Engine,
    actor: User | None = None,
    vouched_by: str = "",
    aliases: Sequence[str] = (),
) -> Registered:
    """Register a model file as the next version of `owner/name`.

    The first version becomes champion; later ones only where `aliases` says so. The same file with the same schema
    and limits is the version it was before. Raises: RegistrationRefused; registry and store are then as they were.
    """
    _require_limits(offer)
    model = _model(name, offer)
    inspection = _inspected(engine, path, offer)
    rows = _sample_rows(offer)
    schema = _schema(inspection, offer, rows)
    with _alone(inspection.sha256), _stored(engine, path, inspection) as stored:
        manifest = Manifest(
            *(inspection.format, stored.sha256, stored.size_bytes, schema, inspection.libraries),
            timeout_seconds=offer.timeout_seconds,
            memory_limit_bytes=offer.memory_limit_bytes,
        )
        known = ModelVersion.objects.select_related("model").filter(sha256=manifest.version_id(name)).first()
        if known:
            for alias in aliases:
                alias_move(version=known, name=alias, actor=actor)
            return Registered(known, created=False)
        found = [{"input": row} for row in examples_from(rows or [], schema, limit=EXAMPLES_KEPT)]
        version = _record(
            model=model,
            manifest=manifest,
            offer=offer,
            examples=_tried(engine, manifest, list(offer.examples) or found or [{"input": schema.example()}]),
            actor=actor,
            vouched_by="" if inspection.safe else vouched_by,
            aliases=aliases,
        )
    return Registered(version, created=True)


@contextmanager
def _stored(engine: Engine, path: Path, inspection: Inspection) -> Iterator[Stored]:
    """Put the file into the store; take it out again where nothing comes of it."""
    try:
        stored = engine.store.put(path)
    except OSError as error:
        raise RegistrationRefused(f"{path.name} cannot be stored: {error.strerror}.") from error
    try:
        if stored.sha256 != inspection.sha256:
            raise RegistrationRefused(f"{path.name} was changed while it was being looked at. Try again.")
        yield stored
    except BaseException:
        if not _is_used(stored.sha256):
            engine.store.remove(stored.sha256)
        raise


@contextmanager
def _alone(artifact: str) -> Iterator[None]:
    """Keep others from registering the same file meanwhile: who is refused would take it from who is not."""
    key = int(artifact[:15], 16)
    with connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(%s)", [key])
        if cursor.fetchone() != (True,):
            raise RegistrationRefused("This same file is being registered just now. Try again when that is done.")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("select pg_advisory_unlock(%s)", [key])


def _model(name: str, offer: Offer) -> RegisteredModel:
    owner, slash, short = name.partition("/")
    if not slash:
        raise RegistrationRefused(f"“{name}” has no owner. Give a name such as “team/{name}”.")
    model = RegisteredModel.objects.named(name).first() or RegisteredModel(owner=owner, name=short)
    if model.pk is None:
        model.visibility = offer.visibility
    model.description = offer.description if offer.description is not None else model.description
    model.card = offer.card if offer.card is not None else model.card
    try:
        model.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        faults = "; ".join(f"{key}: {' '.join(texts)}" for key, texts in error.message_dict.items())
        raise RegistrationRefused(f"“{name}” cannot be registered. {faults}") from None
    return model


def _require_limits(offer: Offer) -> None:
    seconds = offer.timeout_seconds
    if seconds is not None and not 0 < seconds <= LONGEST_SECONDS:  # nor is NaN
        raise RegistrationRefused(
            f"A time limit of {seconds:g} s: it must be above 0 and at most {LONGEST_SECONDS:,} s."
        )
    if offer.memory_limit_bytes is not None and offer.memory_limit_bytes <= 0:
        raise RegistrationRefused("A memory limit must be above 0.")


def _inspected(engine: Engine, path: Path, offer: Offer) -> Inspection:
    try:
        return engine.inspect(path, memory_limit_bytes=offer.memory_limit_bytes)
    except (UnsupportedArtifact, EngineError, OSError) as error:
        raise RegistrationRefused(f"{path.name}: {error}") from error


def _sample_rows(offer: Offer) -> list[dict[str, Any]] | None:
    if offer.sample is None:
        return None
    try:
        return read_sample(offer.sample)
    except (SampleInvalid, OSError) as error:
        raise RegistrationRefused(f"{offer.sample.name}: {error}") from error


def _schema(inspection: Inspection, offer: Offer, rows: list[dict[str, Any]] | None) -> Schema:
    try:
        schema = schema_from(inspection.signature, sample=rows, target=offer.target)
        if offer.document is not None:
            schema = Schema.from_json(offer.document, fallback=schema)
    except (SchemaInvalid, SampleInvalid) as error:
        raise RegistrationRefused(str(error)) from error
    problems = schema.fits(inspection.signature)
    if problems:
        raise RegistrationRefused("The schema does not fit the model: " + "; ".join(problems))
    return schema


def _tried(engine: Engine, manifest: Manifest, examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the examples with the model's answers; a model that cannot answer its own example is refused."""
    inputs = []
    for example in examples:
        checked = manifest.schema.check(example.get("input"))
        if checked.errors:
            faults = "; ".join(f"{error.field} {error.message}" for error in checked.errors)
            raise RegistrationRefused(f"An example does not fit the schema: {faults}")
        inputs.append(checked.values)
    outcomes = engine.predict(manifest, inputs, timeout_seconds=TRIAL_SECONDS)
    kept = []
    for example, given, outcome in zip(examples, inputs, outcomes, strict=True):
        if isinstance(outcome, Failure):
            raise RegistrationRefused(f"The model does not answer its own example: {outcome.message}")
        kept.append({**example, "input": given, "output": outcome.output})
    return kept


@transaction.atomic
def _record(
    *,
    model: RegisteredModel,
    manifest: Manifest,
    offer: Offer,
    examples: list[dict[str, Any]],
    actor: User | None,
    vouched_by: str,
    aliases: Sequence[str],
) -> ModelVersion:
    if model.pk is None:
        made = {"visibility": model.visibility}
        RegisteredModel.objects.get_or_create(owner=model.owner, name=model.name, defaults=made)
    held = RegisteredModel.objects.select_for_update().get(owner=model.owner, name=model.name)
    held.description, held.card = model.description, model.card
    held.save(update_fields=["description", "card"])
    model = held
    last = model.versions.aggregate(last=Max("number"))["last"] or 0
    sample_sha256 = hashlib.sha256(offer.sample.read_bytes()).hexdigest() if offer.sample else ""
    version = ModelVersion.objects.create(
        model=model,
        number=last + 1,
        sha256=manifest.version_id(model.full_name),
        manifest=manifest.to_json(),
        sample_sha256=sample_sha256,
        metrics=offer.metrics,
        examples=examples,
        registered_by=actor,
        vouched_by=vouched_by,
    )
    if last == 0:
        Alias.objects.create(model=model, name=CHAMPION, version=version)
    AuditEntry.write(
        actor=actor,
        action="version_register",
        target=str(version),
        sha256=version.sha256,
        vouched_by=vouched_by,
    )
    for alias in aliases:
        alias_move(version=version, name=alias, actor=actor)
    return version


def _is_used(artifact: str) -> bool:
    return ModelVersion.objects.filter(manifest__artifact=artifact).exists()
