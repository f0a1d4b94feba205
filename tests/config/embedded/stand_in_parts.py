"""The parts of the stand-in: a web application that keeps rows, and a worker; run as a program, it prepares them."""

import os
from collections.abc import Callable, Iterable

import celery
import environ
import psycopg2

from config.embedded.deathpact import die_with_parent

PREPARE = "create table if not exists kept (at timestamptz default now())"

die_with_parent()
worker = celery.Celery("stand_in", broker=os.environ.get("CELERY_BROKER_URL"))
worker.conf.update(accept_content=["json"], broker_connection_retry_on_startup=True, worker_hijack_root_logger=False)


def application(request: dict[str, str], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer with the number of rows kept so far; a POST keeps another one."""
    if request["PATH_INFO"] == "/healthz":
        start_response("200 OK", [])
        return [b"ok"]
    if request["REQUEST_METHOD"] == "POST":
        execute("insert into kept default values")
    start_response("200 OK", [])
    return [str(execute("select count(*) from kept")).encode()]


def execute(statement: str) -> int | None:
    """Run one statement in a connection of its own."""
    told = environ.Env.db_url_config(os.environ["DATABASE_URL"])
    connection = psycopg2.connect(host=told["HOST"], user=told["USER"], dbname=told["NAME"])
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


if __name__ == "__main__":
    execute(PREPARE)
