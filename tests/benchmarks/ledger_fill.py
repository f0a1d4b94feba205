"""A ledger with a past: millions of rows of several people and versions, as large as real ones, put in by SQL."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from config.embedded.parts import say
from tests.benchmarks.trained import rows as real_rows

if TYPE_CHECKING:
    from tests.benchmarks.site import Site

STEP_ROWS = 250_000
APART_MS = 1_000  # from one prediction to the next
PAST = "interval '150 days'"  # more than ten million of them

SAMPLE = "create unlogged table if not exists bench_sample (place int primary key, input json, output json)"
SAMPLE_ROW = "insert into bench_sample values (%s, %s, %s) on conflict do nothing"

# Half of the rows are Alice's; 2 of 100 have failed, 1 was canceled; ids grow with the time, as the product's do.
FILL = """
    with numbered as (
        select n, {began} + n * {apart} as ms, md5(n::text) as digits,
            case when mod(n, 2) = 0 then {first} else (array{others})[1 + mod(n / 2, {others_count})] end as user_id,
            case when mod(n, 50) = 0 then 'failed' when mod(n, 100) = 1 then 'canceled' else 'succeeded' end as status
        from generate_series({start}::bigint, {end}::bigint) n),
    timed as (
        select *, to_timestamp(ms / 1000.0) as at, status <> 'canceled' as ran, (lpad(to_hex(ms), 12, '0') || '7'
            || substr(digits, 1, 3) || '8' || substr(digits, 4, 15))::uuid as id from numbered)
    insert into prediction (id, user_id, version_id, door, call_id, request_id, input, status, output, reason, error,
        attempts, job_token, finished_by, data_removed, created_at, started_at, completed_at, run_seconds)
    select id, user_id, (array{versions})[1 + mod(n / 3, {versions_count})], case when mod(n, 10) = 0 then 1 else 2 end,
        id, digits, input, status, case when status = 'succeeded' then output end,
        case when status = 'failed' then 'model_error' end,
        case when status = 'failed' then 'ValueError: Input X contains infinity or a value too large.' end,
        case when ran then 1 else 0 end, case when ran then digits::uuid end, case when ran then digits::uuid end,
        false, at, case when ran then at + interval '2 ms' end, at + interval '5 ms', case when ran then 0.001 end
    from timed join bench_sample on place = mod(n, {places}) order by n"""


def fill(site: Site, *, count: int, already: int = 0) -> None:
    """Have so many predictions in the ledger. already: how many earlier calls have put there."""
    parameters = _parameters(site)
    for start in range(already, count, STEP_ROWS):
        end = min(start + STEP_ROWS, count)
        site.sql(FILL.format(**parameters, start=start, end=end - 1))
        if count > STEP_ROWS and (end % (4 * STEP_ROWS) == 0 or end == count):
            say(f"{end:,} of {count:,} rows")
    site.sql("vacuum (analyze) prediction")


def row_bytes(site: Site) -> float:
    """Return the mean size of a row in the table, without indexes."""
    size, count = site.sql("select pg_table_size('prediction'), count(*) from prediction")[0]
    return float(size) / max(int(count), 1)


def _parameters(site: Site) -> dict[str, Any]:
    """Return what the rows are made of: people, versions, and inputs of the table with answers of the right shape."""
    site.sql(SAMPLE)
    real = real_rows()
    for place, row in enumerate(real):
        site.sql(SAMPLE_ROW, place, json.dumps(row), json.dumps(_answer(row["mean radius"])))
    users = dict(site.sql("select username, id from accounts_user where not is_superuser order by id"))
    first = users.pop("alice")
    versions = site.sql(
        "select v.id from predictions_modelversion v join predictions_registeredmodel m on m.id = model_id"
        " where m.owner = 'bench' order by v.id"
    )
    began = site.sql(f"select (extract(epoch from now() - {PAST}) * 1000)::bigint")[0][0]
    return {
        "began": began,
        "apart": APART_MS,
        "first": first,
        "others": list(users.values()),
        "others_count": len(users),
        "versions": [id for (id,) in versions],
        "versions_count": len(versions),
        "places": len(real),
    }


def _answer(radius: float) -> dict[str, Any]:
    score = 1 / (1 + math.exp(radius - 14))
    return {"label": int(score > 0.5), "scores": {"0": 1 - score, "1": score}}
