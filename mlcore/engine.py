"""Versions kept warm, each in a process of its own, and the one way to have them predict."""

import itertools
import os
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from mlcore.artifacts import ArtifactStore, open_regular
from mlcore.errors import EngineError, LoadFailed, OutOfMemory, PredictionTimeout, RunnerCrashed, UnsupportedArtifact
from mlcore.manifest import Manifest
from mlcore.outcomes import Failure, Outcome, Success, all_failed, error_of, outcomes_of, says_nothing_of_rows
from mlcore.processes import end_orphans, engine_mark
from mlcore.protocol import Message
from mlcore.runner_process import RunnerProcess, Terms, address_space_bytes, clean_environment
from mlcore.seats import BARE_BYTES, LEAVE_SECONDS, Seat, Seats
from mlcore.signature import Signature
from mlcore.sizes import machine_bytes
from mlcore.spares import Spares

__all__ = ["Engine", "Failure", "Inspection", "Loaded", "Outcome", "Success", "TableRows", "Waiting"]

MEMORY_LIMIT_BYTES = 4 << 30
ROOM_SECONDS = 5.0  # to wait for versions at work to make room for another


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


@dataclass(frozen=True)
class Waiting:
    """A spare runner, ready to become that of a version."""

    format: str
    pid: int
    resident_bytes: int


@dataclass(frozen=True)
class TableRows:
    """Some rows of a file of checked ones, and the file that the answers go to."""

    path: Path
    start: int
    count: int
    target: Path


@dataclass(frozen=True)
class _Call:
    """What is asked of a runner. count: of the outcomes that it answers with; block: the rows, if they are numbers."""

    message: Message
    count: int
    timeout_seconds: float
    context: dict[str, Any]
    stop: threading.Event | None
    block: bytes | None = None


class Engine:
    """Runs models, one runner a version; may be called from many threads at once.

    device:  "auto" is the GPU where there is one, "cpu" and "cuda" insist.
    threads: what one model may use; by default half of the processors, so that two do not crowd each other.
    memory_budget_bytes: what all warm versions may hold together, by default two thirds of the memory there is;
             whoever is idle is put out for it. memory_limit_bytes: what one may hold, unless its manifest says.
    spares:  formats of which a runner without a model is kept ready, while the budget has room; "used": those that
             versions have been loaded of. For who lives long: a spare costs a start, and memory.
    """

    def __init__(
        self,
        store: ArtifactStore,
        *,
        device: str = "auto",
        threads: int | None = None,
        max_loaded: int = 8,
        memory_budget_bytes: int | None = None,
        memory_limit_bytes: int | None = None,
        load_timeout_seconds: float = 120.0,
        environment: Mapping[str, str] | None = None,
        spares: Collection[str] = (),
    ) -> None:
        self.store = store
        self.device = device
        self.threads = threads or max(1, len(os.sched_getaffinity(0)) // 2)
        self.memory_budget_bytes = memory_budget_bytes or machine_bytes() * 2 // 3
        self.memory_limit_bytes = memory_limit_bytes or min(MEMORY_LIMIT_BYTES, self.memory_budget_bytes)
        self.load_timeout_seconds = load_timeout_seconds
        self.environment = clean_environment(threads=self.threads, extra=environment or {})
        self._spares = Spares(self._spare, formats=spares)
        self._seats = Seats(most=max_loaded, budget_bytes=self.memory_budget_bytes, spares=self._spares)
        self._closed = False
        # The kernel ends a runner with the thread that started it: one thread lives as long as the engine.
        self._spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="runner-spawner")
        self._numbers = itertools.count()
        end_orphans()
        self._spares.replenish()

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

        rows: values that the schema's `check` gave. context: goes into the runner's log line. The time limit, unless
        the manifest has its own, is for the run; a version that is not warm is loaded first, under the engine's limit
        for that. stop: ends the call at once when it is set, and the runner if it has begun.
        """
        if not rows:
            return []
        layout = manifest.layout
        block = layout.block(rows) if layout else None
        message: Message = {"do": "predict", "rows": rows if block is None else None}
        seconds = manifest.timeout_seconds or timeout_seconds
        return self._outcomes(manifest, _Call(message, len(rows), seconds, context or {}, stop, block))

    def predict_table(
        self,
        manifest: Manifest,
        rows: TableRows,
        *,
        timeout_seconds: float,
        context: dict[str, Any] | None = None,
        stop: threading.Event | None = None,
    ) -> Outcome:
        """One outcome for rows that lie in a file; `predict` has the way to the model before it.

        Of a success the output is {"failed": [[position, why], …]}: the rows whose answers do not fit the schema. The
        others are answered in the target. A shared failure says nothing about any one row: ask for fewer.
        """
        message = {"do": "predict_table", **asdict(rows), "path": str(rows.path), "target": str(rows.target)}
        call = _Call(message, 1, manifest.timeout_seconds or timeout_seconds, context or {}, stop)
        outcome = self._outcomes(manifest, call, patient=True)[0]
        if isinstance(outcome, Failure) and rows.count > 1:
            return replace(outcome, shared=outcome.shared or not says_nothing_of_rows(outcome.reason))
        return outcome

    def undisturbed(self) -> AbstractContextManager[None]:
        """For the time of long work, as of a file's part, and a while after: start no spare. Those there are serve."""
        return self._spares.withheld()

    def _outcomes(self, manifest: Manifest, call: _Call, *, patient: bool = False) -> list[Outcome]:
        try:
            with self._seats.held(manifest, stop=call.stop, patient=patient) as seat:
                return self._answered(seat, call)
        except EngineError as error:
            return all_failed(error, count=call.count)
        finally:
            self._spares.replenish()

    def inspect(self, path: Path | str, *, memory_limit_bytes: int | None = None) -> Inspection:
        """What a file is, by loading it in a runner of its own.

        Raises: UnsupportedArtifact, LoadFailed, OutOfMemory, RunnerCrashed.
        """
        path = Path(path).resolve()
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > self.store.max_bytes:
                raise UnsupportedArtifact(f"The file is larger than {self.store.max_bytes:,} bytes.")
        runner = self._spawn("inspect", path.name, memory_limit_bytes=memory_limit_bytes)
        try:
            return _inspection(self._load(runner, {"do": "inspect", "path": str(path)}))
        finally:
            runner.end(grace_seconds=LEAVE_SECONDS)

    def loaded(self) -> list[Loaded]:
        """The versions that are warm, the least recently used first."""
        return [
            Loaded(manifest.format, manifest.artifact, runner.process.pid, runner.memory_bytes())
            for manifest, runner in self._seats.warm()
        ]

    def spares(self) -> list[Waiting]:
        """The runners that have no version yet."""
        return [
            Waiting(spare.format, spare.runner.process.pid, spare.runner.memory_bytes())
            for spare in self._spares.waiting()
        ]

    def close(self) -> None:
        """End every runner; calls under way fail."""
        self._closed = True
        self._seats.clear()
        self._spares.close()
        self._spawner.shutdown()

    @property
    def closed(self) -> bool:
        """True once `close` was called: what fails from then on says nothing about a model."""
        return self._closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answered(self, seat: Seat, call: _Call) -> list[Outcome]:
        """What the runner says. What lacked memory that earlier calls have kept is run once more, by a fresh one."""
        runner = self._ready(seat, call)
        burdened = runner.burdened
        outcomes = _run(runner, call)
        if burdened and any(isinstance(each, Failure) and each.reason == OutOfMemory.reason for each in outcomes):
            seat.vacate()
            outcomes = _run(self._ready(seat, call), call)
        return outcomes

    def _ready(self, seat: Seat, call: _Call) -> RunnerProcess:
        """The seat's runner, with the version loaded."""
        if seat.runner and seat.runner.alive and not seat.runner.worn:
            return seat.runner
        seat.vacate()
        began = time.monotonic()
        self._seats.make_room(seat, seconds=min(ROOM_SECONDS, self.load_timeout_seconds), stop=call.stop)
        self._require_open()  # or nobody might end the spare
        limit_bytes = seat.manifest.memory_limit_bytes or self.memory_limit_bytes
        with self._spares.lent(seat.manifest.format, limit_bytes=limit_bytes) as spare:
            runner = self._filled(seat, spare, call, began=began)
        self._seats.settle(seat)
        return runner

    def _filled(self, seat: Seat, spare: RunnerProcess | None, call: _Call, *, began: float) -> RunnerProcess:
        """Load the seat's version, into the spare runner if there is one; began: when the seat was found empty."""
        manifest, name = seat.manifest, str(call.context.get("model", ""))
        words = (name, manifest.format, manifest.artifact[:12])
        seat.runner = runner = spare or self._spawn(*words, memory_limit_bytes=manifest.memory_limit_bytes)
        self._require_open()  # or nobody might end what has come since
        message = {
            "do": "load",
            "name": name or manifest.artifact[:12],
            "store": str(self.store.root.resolve()),
            "artifact": manifest.artifact,
            "format": manifest.format,
            "schema": manifest.schema.to_json(),
        }
        try:
            self._load(runner, message, waited_seconds=time.monotonic() - began, stop=call.stop)
        except UnsupportedArtifact as error:
            raise LoadFailed(str(error)) from error
        return runner

    def _spare(self, format: str, stop: threading.Event) -> RunnerProcess | None:
        """A runner that has imported what the format's files need; None where the budget has no room for it.

        Raises: EngineError where it cannot.
        """
        if not self._seats.has_room(BARE_BYTES):
            return None
        runner = self._spawn(format, memory_limit_bytes=None)
        message = {"do": "preload", "format": format}
        reply = runner.ask(message, timeout_seconds=self.load_timeout_seconds, stop=stop)
        if "error" in reply or not self._seats.has_room(runner.size_bytes):
            runner.end()
            return None
        return runner

    def _spawn(self, *words: str, memory_limit_bytes: int | None) -> RunnerProcess:
        self._require_open()
        terms = Terms(
            words=words,
            environment=self.environment,
            mark=f"{engine_mark()}.{next(self._numbers)}",
            memory_limit_bytes=memory_limit_bytes or self.memory_limit_bytes,
        )
        try:
            return RunnerProcess(self._spawner, terms)
        except OSError as error:
            raise RunnerCrashed(f"The runner could not be started: {error.strerror}.") from error
        except RuntimeError as error:  # no thread is to be had, or the spawner was shut down meanwhile
            raise RunnerCrashed(f"The runner could not be started: {error}.") from error

    def _require_open(self) -> None:
        if self._closed:
            raise RunnerCrashed("The engine has been closed.")

    def _load(
        self,
        runner: RunnerProcess,
        message: Message,
        *,
        waited_seconds: float = 0.0,
        stop: threading.Event | None = None,
    ) -> Message:
        most_bytes = address_space_bytes(runner.terms.memory_limit_bytes, device=self.device)
        message |= {"device": self.device, "threads": self.threads, "address_space_bytes": most_bytes}
        try:
            left_seconds = max(self.load_timeout_seconds - waited_seconds, 0.0)
            reply = runner.ask(message, timeout_seconds=left_seconds, stop=stop)
        except PredictionTimeout as error:
            limit = f"{self.load_timeout_seconds:g} s"
            raise LoadFailed(
                f"The model took longer than {limit} to load, which is all that this server allows."
            ) from error
        try:
            runner.require_within_limit(runner.size_bytes)
            if "error" in reply:
                raise error_of(reply["error"])
        except BaseException:
            runner.end(grace_seconds=LEAVE_SECONDS)
            raise
        return reply


def _run(runner: RunnerProcess, call: _Call) -> list[Outcome]:
    message = call.message | {"context": call.context}
    try:
        reply = runner.ask(message, block=call.block, timeout_seconds=call.timeout_seconds, stop=call.stop)
        return outcomes_of(reply, count=call.count)
    except EngineError as error:
        if isinstance(error, RunnerCrashed):
            runner.end()
        return all_failed(error, count=call.count)


def _inspection(reply: Message) -> Inspection:
    known = {
        **reply,
        "signature": Signature.from_json(reply["signature"]),
        "warnings": tuple(reply["warnings"]),
    }
    return Inspection(**known)
