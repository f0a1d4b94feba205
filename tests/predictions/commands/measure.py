"""How long audit, backup and restore take, and how much memory, for a ledger of so many predictions.

python -m config.embedded exec -- python -m tests.predictions.commands.measure 1000000
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import django
import orjson
from django.core.management import call_command
from django.db import connection

from config.embedded.parts import ROOT

# Inputs and outputs of some 0.6 and 0.4 kB, as a table or a short text has them.
FILL = """
    insert into prediction (id, user_id, version_id, door, call_id, request_id, input, status, output, attempts,
        job_token, finished_by, data_removed, created_at, started_at, completed_at, run_seconds)
    select (lpad(to_hex(1700000000000 + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0'))::uuid, 1, 1, 2,
        gen_random_uuid(), '', json_build_object('text', repeat(md5(n::text), 20)), 'succeeded',
        json_build_object('label', 'x', 'text', repeat(md5(n::text), 10), 'scores', 0.25), 1, token, token, false,
        now() - interval '1 day', now() - interval '1 day', now() - interval '1 day', 0.1
    from (select n, gen_random_uuid() as token from generate_series(%s::bigint, %s::bigint) n) made"""
OWNERS = (
    "insert into accounts_user (id, username, password, first_name, last_name, email, is_staff, is_active,"
    " is_superuser, date_joined) values (1, 'alice', '', '', '', '', false, true, false, now())",
    "insert into predictions_registeredmodel (id, owner, name, description, card, visibility, created_at)"
    " values (1, 'team', 'measured', '', '', 'public', now())",
    "insert into predictions_modelversion (id, model_id, number, sha256, manifest, sample_sha256, metrics, examples,"
    " vouched_by, created_at) values (1, 1, 1, repeat('0', 64), '{\"artifact\": \"none\"}', '', '{}', '[]', '', now())",
)
AT_ONCE = 100_000
# The kernel's own record of the most that a process ever held, read as it ends.
MANAGE = """
import atexit, sys
from django.core.management import execute_from_command_line

def tell():
    print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")), file=sys.stderr)

atexit.register(tell)
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""


def main() -> None:
    """Fill, measure, print."""
    predictions = int(sys.argv[1])
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    call_command("migrate", verbosity=0)
    with tempfile.TemporaryDirectory(prefix="almanac-measure-") as folder:
        log, file = Path(folder, "client.ndjson"), Path(folder, "almanac.backup")
        fill(predictions, log)
        measure("auditledger")
        measure("auditledger", "--client-log", str(log))
        measure("backup", str(file), "--allow-missing")
        print(f"{file.stat().st_size / 1e6:,.0f} MB")
        measure("restore", str(file), "--replace")


def fill(predictions: int, log: Path) -> None:
    """Make a ledger, and the log of a client that asked for all of it."""
    with connection.cursor() as cursor:
        cursor.execute("set statement_timeout = 0")
        for statement in OWNERS:
            cursor.execute(statement)
        for first in range(1, predictions + 1, AT_ONCE):
            cursor.execute(FILL, [first, min(first + AT_ONCE - 1, predictions)])
        cursor.execute("vacuum analyze prediction")
        cursor.execute("select pg_size_pretty(pg_total_relation_size('prediction'))")
        print(f"{predictions:,} predictions, {cursor.fetchone()[0]} with indexes")
        cursor.execute("select id::text, output::text from prediction")
        with log.open("w") as file:
            for id, output in cursor:
                answer = answer_sha256(status="succeeded", output=orjson.loads(output), error=None)
                file.write(f'{{"id": "{id}"}}\n{{"id": "{id}", "answer": "{answer}"}}\n')
    connection.close()


def answer_sha256(*, status: str, output: object, error: str | None) -> str:
    """Return the hash of an end, as a client makes it."""
    return hashlib.sha256(orjson.dumps([status, output, error], option=orjson.OPT_SORT_KEYS)).hexdigest()


def measure(*words: str) -> None:
    """Run a command of manage.py, and say what it took."""
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", MANAGE, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    memory = int(done.stderr.splitlines()[-1]) / 1024
    print(
        f"{words[0]} {' '.join(word for word in words[1:] if word.startswith('--'))}: {seconds:.1f} s, {memory:.0f} MB"
    )
    print(f"    {done.stdout.splitlines()[0] if done.stdout else done.stderr}")


if __name__ == "__main__":
    main()
