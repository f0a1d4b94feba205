"""Lists and figures read about as many rows as they show, however many the ledger has.

Every query that a page makes is made again under EXPLAIN ANALYZE. What is looked for lies where a search in the order
of the ledger meets it last: at its other end, or nowhere. To read all of a table, as suits a small one, is barred.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import User
from mlcore.manifest import Manifest
from mlcore.schema import Schema
from predictions import filters
from predictions.admin import listing
from predictions.models import CHAMPION, Alias, Door, ModelVersion, RegisteredModel
from predictions.selectors import COUNTED_ROWS
from predictions.services.prediction_create import prediction_create
from tests.conftest import HOUSE
from tests.predictions.aged import asked_before, many_asked_before

pytestmark = pytest.mark.usefixtures("quiet_database")
ROWS = 20_000
MOST_ROWS = 2 * COUNTED_ROWS
AS_IF_LARGE = """
    set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off;
    set local enable_bitmapscan = on"""


def model(name: str) -> ModelVersion:
    made = RegisteredModel.objects.create(owner="flat", name=name)
    manifest = Manifest("joblib", "0" * 64, 1, Schema.from_json(HOUSE))
    sha256 = manifest.version_id(made.full_name)
    version = ModelVersion.objects.create(model=made, number=1, sha256=sha256, manifest=manifest.to_json())
    Alias.objects.create(model=made, name=CHAMPION, version=version)
    return version


@pytest.fixture(scope="module")
def ledger(quiet_database: None) -> dict[str, User]:
    """Mia asks one model all the time. Ned asked it and another one long ago. Of a third, answers are awaited."""
    people = {name: User.objects.create_user(name) for name in ("mia", "ned")}
    people["root"] = User.objects.create_superuser("root")
    busy, old, new = (model(name) for name in ("busy", "old", "new"))
    many_asked_before(people["ned"], old, days=90, count=60)
    many_asked_before(people["ned"], busy, days=80, count=ROWS // 4)
    many_asked_before(people["mia"], busy, days=70, count=ROWS)
    asked_before(people["ned"], busy, days=75, status="failed", reason="timeout", output=None)
    asked_before(people["ned"], busy, days=75, door=4)
    prediction_create(user=people["mia"], version=new, inputs=[{"area": 50, "kind": "flat"}] * 3, door=Door.COMMAND)
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze")
    return people


@pytest.fixture(autouse=True)
def short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is bounded by a number of rows is bounded by fewer than there are here."""
    for module, name in ((filters, "SEARCHED_ROWS"), (listing, "COUNTED_ROWS"), (listing, "FACET_ROWS")):
        monkeypatch.setattr(module, name, COUNTED_ROWS)


def rows_read(plan: dict[str, Any]) -> Iterator[float]:
    """Yield for each node over the ledger how many rows it read, those that it threw away included."""
    if str(plan.get("Relation Name", plan.get("Index Name", ""))).partition("_")[0] == "prediction":
        yield (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"]
    for child in plan.get("Plans", ()):
        yield from rows_read(child)


def most_read(statements: list[str]) -> tuple[float, str]:
    """Return the most rows that one step of a statement read, and the statement."""
    most: tuple[float, str] = (0.0, "")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(AS_IF_LARGE)
        for statement in statements:
            if statement.startswith("set local"):
                cursor.execute(statement)
            elif '"prediction"' in statement or "from prediction" in statement:
                cursor.execute(f"explain (analyze, format json) {statement}")
                found = cursor.fetchone()[0]
                plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
                most = max(most, (max(rows_read(plan), default=0.0), f"{statement}\n{json.dumps(plan, indent=1)}"))
                cursor.execute(AS_IF_LARGE)
    return most


def asked(client: Client, address: str, query: dict[str, str]) -> list[str]:
    with CaptureQueriesContext(connection) as made:
        assert client.get(address, query).status_code == 200
    return [each["sql"] for each in made if each["sql"].lower().startswith(("select", "set local", "\n    select"))]


NARROWED: list[dict[str, str]] = [
    {},
    *({"status": status} for status in ("starting", "processing", "succeeded", "failed", "canceled")),
    *({"model": f"flat/{name}"} for name in ("busy", "old", "new")),
    *({"door": door} for door in ("api", "command", "admin", "batch")),
    {"q": "found nowhere"},
    {"since": "2020-01-01"},
    {"until": "2020-01-01"},
]


@pytest.mark.parametrize("query", NARROWED, ids=str)
@pytest.mark.parametrize("name", ["mia", "ned"])
def test_history(ledger: dict[str, User], name: str, query: dict[str, str]) -> None:
    client = Client()
    client.force_login(ledger[name])
    rows, statement = most_read(asked(client, "/predictions/", query))
    assert rows <= MOST_ROWS, statement


@pytest.mark.parametrize("address", ["/", "/models/flat/busy", "/models/flat/old", "/models/flat/new"])
def test_models(ledger: dict[str, User], address: str) -> None:
    client = Client()
    client.force_login(ledger["ned"])
    rows, statement = most_read(asked(client, address, {}))
    assert rows <= MOST_ROWS, statement


@pytest.mark.parametrize(
    "query",
    [
        {},
        *({"status": status} for status in ("starting", "processing", "succeeded", "failed", "canceled")),
        *({"model": number} for number in ("busy", "old", "new")),
        *({"reason": reason} for reason in ("timeout", "worker_lost")),
        *({"door__exact": door} for door in ("1", "2", "4")),
        *({"truth": said} for said in ("yes", "no")),
        {"note": "yes"},
        *({"q": term} for term in ("found nowhere", "ned", "mia", "old")),
        {"created_at__year": "2026"},
        {"status": "failed", "_facets": "True"},
    ],
    ids=str,
)
def test_admin(ledger: dict[str, User], query: dict[str, str]) -> None:
    client = Client()
    client.force_login(ledger["root"])
    if "model" in query:
        query = {"model": str(RegisteredModel.objects.get(owner="flat", name=query["model"]).pk)}
    rows, statement = most_read(asked(client, "/admin/predictions/prediction/", query))
    assert rows <= MOST_ROWS, statement
