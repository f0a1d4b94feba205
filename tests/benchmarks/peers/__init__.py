"""Other ways to serve the same model, each as its own documentation would have it."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from config.embedded.parts import say
from tests.benchmarks.wrk import Call
from tests.chaos import proc
from tests.chaos.stack import _free_port

if TYPE_CHECKING:
    from tests.benchmarks.site import Site
    from tests.benchmarks.trained import Trained

APPS = Path(__file__).parent
CACHE = Path.home() / ".cache" / "almanac-bench"
READY_SECONDS = 180.0
ENDS_SECONDS = 10.0
QUIET = {"BENTOML_DO_NOT_TRACK": "True", "RAY_USAGE_STATS_ENABLED": "0", "MLFLOW_DISABLE_TELEMETRY": "true"}
ROW = "ROW"  # stands for the thirty numbers


@dataclass(frozen=True)
class Peer:
    """A server. commands, prepare: words in which {port}, {other}, {third}, {work} and {model} are filled in.

    commands: what runs, the one that answers last. body: what is posted, with ROW in it. files: what is written into
    its folder, filled in likewise. prepare: what is run once before.
    """

    name: str
    commands: tuple[str, ...]
    path: str = "/predict"
    body: object = field(default_factory=lambda: {"input": ROW})
    files: Mapping[str, str] = field(default_factory=dict)
    prepare: str = ""
    authorization: str = ""


MLSERVER_MODEL = """{"name": "scorer", "implementation": "mlserver_sklearn.SKLearnModel",
    "max_batch_size": 64, "max_batch_time": 0.002, "parameters": {"uri": "{model}"}}"""
MLSERVER_SETTINGS = """{"host": "127.0.0.1", "http_port": {port}, "grpc_port": {other}, "metrics_port": {third},
    "parallel_workers": 1}"""
V2 = {
    "inputs": [{"name": "x", "shape": [1, 30], "datatype": "FP64", "data": ROW}],
    "outputs": [{"name": "predict_proba"}],
}

ALL = (
    Peer("flask", ("gunicorn -k gthread -w 2 --threads 40 -b 127.0.0.1:{port} flask_app:app",)),
    Peer("fastapi", ("uvicorn --workers 2 --port {port} --log-level warning --no-access-log fastapi_app:app",)),
    Peer("litserve", ("python litserve_app.py {port}",)),
    Peer("bentoml", ("bentoml serve bentoml_app:Scorer --host 127.0.0.1 --port {port}",), body={"input": [ROW]}),
    Peer(
        "mlserver",
        ("mlserver start {work}",),
        path="/v2/models/scorer/infer",
        body=V2,
        files={"model-settings.json": MLSERVER_MODEL, "settings.json": MLSERVER_SETTINGS},
    ),
    Peer(
        "mlflow",
        ("mlflow models serve -m {work}/model -h 127.0.0.1 -p {port} --env-manager local --workers 2",),
        path="/invocations",
        body={"inputs": [ROW]},
        prepare="python mlflow_save.py {work}/model",
    ),
    Peer("ray", ("python ray_app.py {port}",), path="/"),
    Peer(
        "naive",
        (
            "celery -A naive_app:celery worker --concurrency 2 --loglevel warning",
            "gunicorn -k gthread -w 2 --threads 40 -b 127.0.0.1:{port} naive_app:application",
        ),
        prepare="python naive_app.py",
        authorization="Token naive",
    ),
)
PEERS = {peer.name: peer for peer in ALL}
MODEL_SERVERS = ("litserve", "bentoml", "mlserver", "mlflow", "ray")
BATCHING = ("litserve", "bentoml", "mlserver", "ray")


class PeerMissing(Exception):
    """A peer could not be started; its own words say why."""


def requirements(peer: Peer) -> Path:
    """Return the file that names what it needs."""
    return APPS / f"{peer.name}.txt"


def pinned(peer: Peer) -> str:
    """Return what it is, with its version: the first line of its requirements."""
    return requirements(peer).read_text().splitlines()[0].replace("==", " ")


def environment(peer: Peer) -> Path:
    """Return the virtual environment of a peer, made anew where there is none or its requirements have changed."""
    folder = CACHE / peer.name
    files = (requirements(peer), APPS / "model.txt")
    wanted = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    ready = folder / "ready"
    if not ready.exists() or ready.read_text() != wanted:
        say(f"installing {pinned(peer)} into {folder}; once")
        venv.create(folder, clear=True, with_pip=True)
        install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]
        subprocess.run([folder / "bin" / "python", *install, requirements(peer)], check=True)
        ready.write_text(wanted)
    return folder


@contextmanager
def running(peer: Peer, trained: Trained, *, site: Site) -> Iterator[Call]:
    """Start a peer, and yield the call that asks it. site: in whose PostgreSQL and Valkey `naive` has its own."""
    binaries = environment(peer) / "bin"
    work = site.path / "peers" / peer.name
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    port, other, third = (str(_free_port()) for _ in range(3))
    words = {"port": port, "other": other, "third": third, "work": str(work), "model": str(trained.plain)}
    for name, text in peer.files.items():
        (work / name).write_text(filled(text, words))
    environ = _environ(binaries, trained, site=site)
    log = work / "log"
    if peer.prepare:
        with log.open("ab") as output:
            prepare = _command(peer.prepare, words, binaries)
            done = subprocess.run(prepare, cwd=APPS, env=environ, stdout=output, stderr=output, check=False)
        if done.returncode != 0:
            raise PeerMissing(f"{peer.name} cannot be prepared: {log.read_text(errors='replace')[-2000:]}")
    call = _call(peer, trained, url=f"http://127.0.0.1:{port}{peer.path}", folder=work)
    started: list[subprocess.Popen[bytes]] = []
    try:
        with log.open("ab") as output:
            for command in peer.commands:
                started.append(
                    subprocess.Popen(
                        _command(command, words, binaries),
                        cwd=APPS,
                        env=environ,
                        stdout=output,
                        stderr=output,
                        start_new_session=True,
                    )
                )
        _wait_for(call, started[-1], log=log)
        yield call
    finally:
        for process in reversed(started):
            _end(process)


def filled(text: str, words: Mapping[str, str]) -> str:
    """Return a text with {name} replaced for each of the words; braces of other kinds stay."""
    for name, word in words.items():
        text = text.replace(f"{{{name}}}", word)
    return text


def asked(body: object, row: list[float]) -> object:
    """Return a body with the thirty numbers in their place."""
    if body == ROW:
        return row
    if isinstance(body, dict):
        return {name: asked(value, row) for name, value in body.items()}
    return [asked(value, row) for value in body] if isinstance(body, list) else body


def _command(text: str, words: Mapping[str, str], binaries: Path) -> list[str]:
    program, *rest = shlex.split(text)
    return [str(binaries / program), *(filled(word, words) for word in rest)]


def _environ(binaries: Path, trained: Trained, *, site: Site) -> dict[str, str]:
    ours = ("DJANGO_SETTINGS_MODULE", "PYTHONPATH", "VIRTUAL_ENV")
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    given = {"MODEL_FILE": str(trained.plain), "PATH": f"{binaries}:{os.environ['PATH']}"}
    home = {"SOCKETS": str(site.home.sockets)}
    return inherited | QUIET | given | home


def _call(peer: Peer, trained: Trained, *, url: str, folder: Path) -> Call:
    body = folder / "body.json"
    body.write_text(json.dumps(asked(peer.body, list(trained.row.values()))))
    headers = {"Content-Type": "application/json"}
    if peer.authorization:
        headers["Authorization"] = peer.authorization
    return Call(url, body, headers=headers)


def _wait_for(call: Call, process: subprocess.Popen[bytes], *, log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    assert call.body
    while time.monotonic() < deadline and process.poll() is None:
        request = urllib.request.Request(call.url, call.body.read_bytes(), dict(call.headers))
        with suppress(OSError), urllib.request.urlopen(request, timeout=30):  # not yet there, or not yet ready
            return
        time.sleep(0.25)
    raise PeerMissing(f"{call.url} does not answer: {log.read_text(errors='replace')[-2000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask a server to end, then make it and all that it has started."""
    family = proc.family(process.pid)
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(ENDS_SECONDS)
    living = proc.everyone()
    left = [each.pid for each in family if each.pid in living and living[each.pid].command == each.command]
    proc.send(left, signal.SIGKILL)
    process.wait()
