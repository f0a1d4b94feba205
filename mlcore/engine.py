"""Versions kept warm, each in a process of its own, and the one way to have them predict."""

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from mlcore.artifacts import ArtifactStore, open_regular
from mlcore.errors import (
    REASONS,
    EngineError,
    InvalidOutput,
    LoadFailed,
    ModelError,
    OutOfMemory,
    PredictionTimeout,
    RunnerCrashed,
    UnsupportedArtifact,
)
from mlcore.manifest import Manifest
from mlcore.protocol import MAX_MESSAGE_CHARACTERS, MAX_OUTPUT_BYTES, MAX_TRACEBACK_CHARACTERS, Message
from mlcore.runner_process import RunnerProcess, clean_environment
from mlcore.signature import Signature

LEAVE_SECONDS = 1.0  # for a runner that was told to go


@dataclass(frozen=True)
class Success:
    """What the model answered to one row."""

    output: dict[str, Any]


@dataclass(frozen=True)
class Failure:
    """Why one row has no answer.

    shared: True where the row ran together with others, any of which may be the cause: alone it may succeed.
    """

    reason: str
    message: str
    traceback: str = ""
    shared: bool = False


Outcome = Success | Failure


@dataclass(frozen=True)
class Inspection:
    """What a model file turned out to be; the sha256 is that of the bytes that were looked at."""

    format: str
    safe: bool
    signature: Signature
    libraries: dict[str, str]
    warnings: tuple[str, ...]
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Loaded:
    """A version that is warm."""

    format: str
    artifact: str
    pid: int
    resident_bytes: int


@dataclass
class _Seat:
    """A version's place in the engine."""

    manifest: Manifest
    users: int = 0  # calls that hold or await the lock
    runner: RunnerProcess | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def vacate(self) -> None:
        """End the runner, if there is one."""
        if self.runner:
            self.runner.end(grace_seconds=LEAVE_SECONDS)
            self.runner = None


class Engine:
    """Runs models, one runner a version; may be called from many threads at once.

    device:  "auto" is the GPU where there is one, "cpu" and "cuda" insist.
    threads: what one model may use; by default half of the processors, so that two do not crowd each other.
    """

    def __init__(
        self,
        store: ArtifactStore,
        *,
        device: str = "auto",
        threads: int | None = None,
        max_loaded: int = 8,
        memory_limit_bytes: int = 4 << 30,
        load_timeout_seconds: float = 120.0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.store = store
        self.device = device
        self.threads = threads or max(1, len(os.sched_getaffinity(0)) // 2)
        self.max_loaded = max_loaded
        self.memory_limit_bytes = memory_limit_bytes
        self.load_timeout_seconds = load_timeout_seconds
        self.environment = clean_environment(threads=self.threads, extra=environment or {})
        self._seats: OrderedDict[str, _Seat] = OrderedDict()  # the least recently used first
        self._lock = threading.Lock()
        self._closed = False
        # The kernel ends a runner with the thread that started it: one thread lives as long as the engine.
        self._spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="runner-spawner")

    def predict(
        self,
        manifest: Manifest,
        rows: Sequence[dict[str, Any]],
        *,
        timeout_seconds: float,
        context: dict[str, Any] | None = None,
        stop: threading.Event | None = None,
    ) -> list[Outcome]:
        """An outcome for each row, in order; never raises for what a model does.

        rows: values that the schema's `check` gave. context: goes into the runner's log line. The time limit
        is for the run; a version that is not warm is loaded first, under the engine's own limit for that.
        """
        if not rows:
            return []
        context = context or {}
        try:
            with self._seat(manifest) as seat:
                runner = self._ready(seat, model=str(context.get("model", "")))
                return _run(runner, rows, timeout_seconds=timeout_seconds, context=context)
        except (RunnerCrashed, OutOfMemory) as error:  # while loading: it may go better next time
            return _all_failed(error, rows, shared=len(rows) > 1)
        except EngineError as error:
            return _all_failed(error, rows, shared=False)

    def inspect(self, path: Path | str) -> Inspection:
        """What a file is, by loading it in a runner of its own.

        Raises: UnsupportedArtifact, LoadFailed, OutOfMemory, RunnerCrashed.
        """
        path = Path(path).resolve()
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > self.store.max_bytes:
                raise UnsupportedArtifact(f"The file is larger than {self.store.max_bytes:,} bytes.")
        runner = self._spawn("inspect", path.name)
        try:
            return _inspection(self._load(runner, {"do": "inspect", "path": str(path)}))
        finally:
            runner.end(grace_seconds=LEAVE_SECONDS)

    def loaded(self) -> list[Loaded]:
        """The versions that are warm, the least recently used first."""
        with self._lock:
            seats = [(seat.manifest, seat.runner) for seat in self._seats.values()]
        return [
            Loaded(manifest.format, manifest.artifact, runner.process.pid, runner.resident_bytes())
            for manifest, runner in seats
            if runner and runner.alive
        ]

    def close(self) -> None:
        """End every runner; calls under way fail."""
        with self._lock:
            self._closed = True
            seats, self._seats = list(self._seats.values()), OrderedDict()
        for seat in seats:
            if seat.runner:
                seat.runner.hang_up()
        for seat in seats:
            with seat.lock:
                seat.vacate()
        self._spawner.shutdown()

    @property
    def closed(self) -> bool:
        """True once `close` was called: what fails from then on says nothing about a model."""
        return self._closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _seat(self, manifest: Manifest) -> Iterator[_Seat]:
        """The version's place, held alone; whoever has been idle longest makes room for a newcomer."""
        with self._lock:
            seat = self._seats.setdefault(manifest.content_id, _Seat(manifest))
            self._seats.move_to_end(manifest.content_id)
            seat.users += 1
            surplus = self._take_surplus()
        for idle in surplus:
            idle.vacate()
        try:
            with seat.lock:
                yield seat
        finally:
            with self._lock:
                seat.users -= 1

    def _take_surplus(self) -> list[_Seat]:
        # By number only; a budget of memory would be reckoned here too.
        count = len(self._seats) - self.max_loaded
        idle = [key for key, seat in self._seats.items() if not seat.users][: max(0, count)]
        return [self._seats.pop(key) for key in idle]

    def _ready(self, seat: _Seat, *, model: str) -> RunnerProcess:
        """The seat's runner, with the version loaded."""
        if seat.runner and seat.runner.alive:
            return seat.runner
        seat.vacate()
        manifest = seat.manifest
        seat.runner = self._spawn(model, manifest.format, manifest.artifact[:12])
        try:
            self._load(
                seat.runner,
                {
                    "do": "load",
                    "store": str(self.store.root.resolve()),
                    "artifact": manifest.artifact,
                    "format": manifest.format,
                    "schema": manifest.schema.to_json(),
                },
            )
        except UnsupportedArtifact as error:
            raise LoadFailed(str(error)) from error
        return seat.runner

    def _spawn(self, *words: str) -> RunnerProcess:
        if self._closed:
            raise RunnerCrashed("The engine has been closed.")
        try:
            return RunnerProcess(
                self._spawner,
                words=words,
                environment=self.environment,
                memory_limit_bytes=self.memory_limit_bytes,
            )
        except OSError as error:
            raise RunnerCrashed(f"The runner could not be started: {error.strerror}.") from error
        except RuntimeError as error:  # the spawner was shut down meanwhile
            raise RunnerCrashed("The engine has been closed.") from error

    def _load(self, runner: RunnerProcess, message: Message) -> Message:
        message |= {"device": self.device, "threads": self.threads}
        try:
            reply = runner.ask(message, timeout_seconds=self.load_timeout_seconds)
        except PredictionTimeout as error:
            raise LoadFailed(f"The model took longer than {self.load_timeout_seconds:g} s to load.") from error
        if "error" in reply:
            runner.end(grace_seconds=LEAVE_SECONDS)
            raise _error(reply["error"])
        return reply


def _run(
    runner: RunnerProcess, rows: Sequence[dict[str, Any]], *, timeout_seconds: float, context: dict[str, Any]
) -> list[Outcome]:
    message = {"do": "predict", "rows": rows, "context": context}
    try:
        reply = runner.ask(message, timeout_seconds=timeout_seconds)
        if "error" in reply:
            raise _error(reply["error"])
        return outcomes_of(reply, count=len(rows))
    except EngineError as error:
        if isinstance(error, RunnerCrashed):
            runner.end()
        return _all_failed(error, rows, shared=len(rows) > 1)


def _all_failed(error: EngineError, rows: Sequence[object], *, shared: bool) -> list[Outcome]:
    return [Failure(error.reason, str(error), error.traceback, shared)] * len(rows)


def outcomes_of(reply: Message, *, count: int) -> list[Outcome]:
    """What a runner's reply says of each row."""
    try:
        outcomes = [_outcome(outcome) for outcome in reply["outcomes"]]
    except (KeyError, TypeError) as error:
        raise RunnerCrashed("The runner's answer could not be read.") from error
    if len(outcomes) != count:
        raise RunnerCrashed(f"The runner answered {len(outcomes)} of {count} rows.")
    return outcomes


def _outcome(answer: object) -> Outcome:
    """One row's outcome. A model's code can speak in its runner's place, so nothing is taken on trust."""
    match answer:
        case {"output": dict() as output}:
            if len(orjson.dumps(output)) > MAX_OUTPUT_BYTES:
                return Failure(InvalidOutput.reason, f"The output is larger than {MAX_OUTPUT_BYTES:,} bytes.")
            return Success(output)
        case {"reason": str() as reason, "message": str() as message, **others}:
            # A model may raise what it likes, errors of ours too: the list of reasons is closed.
            known = reason if reason in REASONS else ModelError.reason
            trace = str(others.get("traceback", ""))[-MAX_TRACEBACK_CHARACTERS:]
            return Failure(known, message[:MAX_MESSAGE_CHARACTERS], trace, others.get("shared") is True)
    return Failure(InvalidOutput.reason, "The runner's answer is neither an output nor a failure.")


def _inspection(reply: Message) -> Inspection:
    known = {
        **reply,
        "signature": Signature.from_json(reply["signature"]),
        "warnings": tuple(reply["warnings"]),
    }
    return Inspection(**known)


def _error(fault: dict[str, str]) -> Exception:
    if fault["reason"] == "unsupported_artifact":
        return UnsupportedArtifact(fault["message"])
    return REASONS[fault["reason"]](fault["message"], traceback=fault["traceback"])
