"""The engine's side of a runner: it owns the clock, watches the memory, and always sees the end."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from mlcore import protocol
from mlcore.errors import CallStopped, EngineError, ModelError, OutOfMemory, PredictionTimeout, RunnerCrashed
from mlcore.keeper import END_NOW
from mlcore.processes import MARK, end_marked, memory_bytes
from mlcore.protocol import Message
from mlcore.sizes import size_text

PROJECT_ROOT = Path(__file__).resolve().parents[1]
KEEPER = Path(__file__).with_name("keeper.py")
LOOK_SECONDS = 0.05
PAUSE_SECONDS = 0.005  # between two looks after short calls
DYING_SECONDS = 1.0
KEEPER_SECONDS = 2.0
SPARE_BYTES = 1 << 30  # of address space, for stacks and for what libraries set aside
GRAPHICS = ("/dev/nvidiactl", "/dev/dxg")

# A model's code gets none of the service's settings, secrets least of all.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
_INHERITED_PREFIXES = ("CUDA_", "NVIDIA_", "COVERAGE_PROCESS_")
_THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
_CAUSES: dict[int, str] = {
    signal.SIGSEGV: ": the model, or a library it uses, touched memory that is not its own",
    signal.SIGBUS: ": the model, or a library it uses, touched memory that is not there",
    signal.SIGABRT: ": a library that the model uses gave up",
    signal.SIGILL: ": a library that the model uses was built for another processor",
    signal.SIGFPE: ": a library that the model uses divided by zero",
    signal.SIGKILL: ": another process, or the kernel, ended it",
}


def clean_environment(*, threads: int, extra: Mapping[str, str]) -> dict[str, str]:
    """What a runner may know of its surroundings; a PYTHONPATH in `extra` is added to the project's."""
    kept = {
        name: value for name, value in os.environ.items() if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }
    search = os.pathsep.join(filter(None, [str(PROJECT_ROOT), extra.get("PYTHONPATH")]))
    return kept | dict.fromkeys(_THREAD_COUNTS, str(threads)) | dict(extra) | {"PYTHONPATH": search}


def address_space_bytes(limit_bytes: int, *, device: str) -> int:
    """What a runner may have mapped at most, or 0 for any amount.

    An allocation beyond all measure, which could take the machine's memory between two looks, then fails at once. CUDA
    reserves far more than it uses, so there is no such bound with it.
    """
    if device != "cpu" and any(map(os.path.exists, GRAPHICS)):
        return 0
    return limit_bytes + limit_bytes // 4 + SPARE_BYTES


@dataclass(frozen=True)
class Terms:
    """Under which a runner is started."""

    words: Sequence[str]  # for whoever reads the process list
    environment: Mapping[str, str]
    mark: str  # found in the environment of all that it starts
    memory_limit_bytes: int


class RunnerProcess:
    """A child process with one model; whatever that does, a call ends in time, with an answer or a reason."""

    def __init__(self, spawner: Executor, terms: Terms) -> None:
        self.terms = terms
        self.size_bytes = 0  # when it was last looked at
        self.fresh_bytes = 0  # once it had loaded and answered for the first time
        self._channel, theirs = socket.socketpair()
        self._channel.settimeout(LOOK_SECONDS)
        try:
            with theirs:
                self.process = spawner.submit(_start, theirs.fileno(), terms).result()
        except BaseException:
            self._channel.close()
            raise
        self._asked = 0
        self._first_answer = 2  # the number of that question; the one before it loads the model
        self._looked_at = self._weighed_at = time.monotonic()
        self._kernel_kills = _kernel_kills()

    def engage(self, *, memory_limit_bytes: int) -> None:
        """Become the runner of a version that is to be loaded, under its limit."""
        self.terms = replace(self.terms, memory_limit_bytes=memory_limit_bytes)
        self._first_answer = self._asked + 2

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return not self._has_exited()

    @property
    def burdened(self) -> bool:
        """Whether earlier calls have left so much that the next one may lack it."""
        return self.size_bytes - self.fresh_bytes > self.terms.memory_limit_bytes / 20

    @property
    def worn(self) -> bool:
        """Whether a fresh one should answer the next call: this one has grown near to its limit."""
        if time.monotonic() > self._weighed_at + LOOK_SECONDS:
            self._weigh()
        return self.burdened and self.size_bytes > self.terms.memory_limit_bytes * 0.9

    def ask(
        self,
        message: Message,
        *,
        timeout_seconds: float,
        block: bytes | None = None,
        stop: threading.Event | None = None,
    ) -> Message:
        """The answer to a message. Where there is none an EngineError says why, and the process has ended."""
        self._asked += 1
        try:
            frame = protocol.pack({**message, "id": self._asked}, block=block)
        except protocol.FrameTooLargeError as error:
            raise ModelError(f"The input is too large to be handed to the model: {error}") from error
        call = _Call(time.monotonic() + timeout_seconds, stop)
        try:
            reply = self._exchange(frame, call)
            if reply.pop("id", None) != self._asked:
                raise ValueError("it belongs to no question")
        except TimeoutError:
            self.end()
            raise PredictionTimeout(f"The model took longer than {timeout_seconds:g} s, its time limit.") from None
        except (OutOfMemory, CallStopped):
            self.end()
            raise
        except (OSError, EOFError):
            raise self._cause_of_death() from None
        except ValueError as error:
            self.end()
            raise RunnerCrashed(f"The runner's answer could not be read: {error}.") from error
        if self._asked <= self._first_answer or time.monotonic() > self._weighed_at + PAUSE_SECONDS:
            self._weigh()
        return reply

    def hang_up(self) -> None:
        """End the conversation: an idle runner goes by itself, a call under way fails at once."""
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)

    def end(self, *, grace_seconds: float = 0.0) -> None:
        """Make sure that the process, and what it started, is gone."""
        if self.process.returncode is not None:
            return
        self.hang_up()
        if not self._await_exit(grace_seconds):
            self._signal(os.kill, END_NOW)
            self._await_exit(KEEPER_SECONDS)
        self._signal(os.killpg, signal.SIGKILL)
        if self.process.wait() == -signal.SIGKILL:  # so that the keeper may have left somebody
            end_marked(self.terms.mark)
        self._channel.close()

    def memory_bytes(self) -> int:
        """The memory that it and what it started hold now."""
        return memory_bytes(self.process.pid, enough=self.terms.memory_limit_bytes)

    def require_within_limit(self, size_bytes: int) -> None:
        """Raises: OutOfMemory where this is too much."""
        limit_bytes = self.terms.memory_limit_bytes
        if size_bytes > limit_bytes:
            raise OutOfMemory(f"The model needed more than {size_text(limit_bytes)} of memory, its limit.")

    def _weigh(self) -> None:
        self._looked_at = self._weighed_at = time.monotonic()
        self.size_bytes = self.memory_bytes()
        if self._asked <= self._first_answer:
            self.fresh_bytes = self.size_bytes

    def _signal(self, send: Callable[[int, int], None], number: signal.Signals) -> None:
        """Not by Popen, which would wait for it: before that its number names no other process or group."""
        with suppress(ProcessLookupError):
            send(self.process.pid, number)

    def _has_exited(self) -> bool:
        if self.process.returncode is not None:
            return True
        looking = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            return os.waitid(os.P_PID, self.process.pid, looking) is not None
        except ChildProcessError:  # another thread has just waited for it
            return True

    def _await_exit(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not (exited := self._has_exited()) and time.monotonic() < deadline:
            time.sleep(0.005)
        return exited

    def _exchange(self, frame: bytes, call: "_Call") -> Message:
        unsent = memoryview(frame)
        while unsent:
            self._watch(call)
            with suppress(TimeoutError):
                unsent = unsent[self._channel.send(unsent) :]
        header = self._receive(protocol.HEADER.size, call)
        size = protocol.body_size(header, limit_bytes=protocol.MAX_REPLY_BYTES)
        return protocol.unpack(self._receive(size, call))

    def _receive(self, size: int, call: "_Call") -> bytearray:
        received = bytearray(size)
        missing = memoryview(received)
        while missing:
            self._watch(call)
            with suppress(TimeoutError):
                count = self._channel.recv_into(missing)
                if not count:
                    raise EOFError
                missing = missing[count:]
        return received

    def _watch(self, call: "_Call") -> None:
        now = time.monotonic()
        if now >= call.deadline:
            raise TimeoutError
        if call.stop and call.stop.is_set():
            raise CallStopped
        if now >= self._looked_at + LOOK_SECONDS:
            self._look()

    def _look(self) -> None:
        kernel_kills = _kernel_kills()
        if not self.alive:
            raise EOFError  # what it forked may hold its end of the channel open
        self._kernel_kills = kernel_kills
        self._looked_at = time.monotonic()
        self.require_within_limit(self.memory_bytes())

    def _cause_of_death(self) -> EngineError:
        exited = self._await_exit(DYING_SECONDS)
        kernel_kills = _kernel_kills()
        self.end()
        code = self.process.returncode
        if not exited:
            return RunnerCrashed("The process closed the channel on which it is to answer.")
        if code == -signal.SIGKILL and kernel_kills > self._kernel_kills:
            return OutOfMemory("The machine ran out of memory, and the kernel ended the process.")
        if code < 0:
            return RunnerCrashed(f"The process was ended by {signal.Signals(-code).name}{_CAUSES.get(-code, '')}.")
        return RunnerCrashed(f"The process ended itself with exit code {code}.")


@dataclass(frozen=True)
class _Call:
    """What can end a wait for an answer."""

    deadline: float
    stop: threading.Event | None


def _start(channel: int, terms: Terms) -> subprocess.Popen[bytes]:
    keeper = [sys.executable, "-I", "-S", str(KEEPER), str(os.getpid())]
    runner = [sys.executable, "-P", "-X", "faulthandler", "-m", "mlcore.runner"]
    return subprocess.Popen(  # noqa: S603 - ours: the words only name what it runs
        [*keeper, *runner, str(channel), *terms.words],
        stdin=subprocess.DEVNULL,
        stdout=2,  # what a model prints is a log
        pass_fds=[channel],
        env={**terms.environment, MARK: terms.mark},
        cwd="/",
        start_new_session=True,  # Ctrl-C is for the parent; and what the model forks can be ended with it
    )


def _kernel_kills() -> int:
    """How many processes this machine's kernel has ended for want of memory: kill -9 leaves it as it is."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
