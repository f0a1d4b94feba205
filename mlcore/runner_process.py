"""The parent's side of a runner: it owns the clock, watches the memory, and always sees the end."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from pathlib import Path

from mlcore import protocol
from mlcore.errors import EngineError, OutOfMemory, PredictionTimeout, RunnerCrashed
from mlcore.protocol import Message

PROJECT_ROOT = Path(__file__).resolve().parents[1]
LOOK_SECONDS = 0.05
DYING_SECONDS = 1.0
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

# A model's code gets none of the service's settings, secrets least of all.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
_INHERITED_PREFIXES = ("CUDA_", "NVIDIA_", "COVERAGE_PROCESS_")
_THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "LOKY_MAX_CPU_COUNT")


def clean_environment(*, threads: int, extra: Mapping[str, str]) -> dict[str, str]:
    """What a runner may know of its surroundings; a PYTHONPATH in `extra` is added to the project's."""
    kept = {
        name: value for name, value in os.environ.items() if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }
    search = os.pathsep.join(filter(None, [str(PROJECT_ROOT), extra.get("PYTHONPATH")]))
    return kept | dict.fromkeys(_THREAD_COUNTS, str(threads)) | dict(extra) | {"PYTHONPATH": search}


class RunnerProcess:
    """A child process with one model; whatever that does, a call ends in time, with an answer or a reason."""

    def __init__(
        self,
        spawner: Executor,
        *,
        words: Sequence[str],
        environment: Mapping[str, str],
        memory_limit_bytes: int,
    ) -> None:
        self.memory_limit_bytes = memory_limit_bytes
        self._channel, theirs = socket.socketpair()
        self._channel.settimeout(LOOK_SECONDS)
        with theirs:
            start = spawner.submit(_start, theirs.fileno(), words=words, environment=environment)
            try:
                self.process = start.result()
            except OSError:
                self._channel.close()
                raise
        self._asked = 0
        self._looked_at = time.monotonic()
        self._kernel_kills = _kernel_kills()

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return not self._has_exited()

    def ask(self, message: Message, *, timeout_seconds: float) -> Message:
        """The answer to a message. Where there is none an EngineError says why, and the process has ended."""
        self._asked += 1
        frame = protocol.pack({**message, "id": self._asked})
        try:
            reply = self._exchange(frame, deadline=time.monotonic() + timeout_seconds)
            if reply.pop("id", None) != self._asked:
                raise ValueError("it belongs to no question")
            return reply
        except TimeoutError:
            self.end()
            raise PredictionTimeout(f"The model took longer than {timeout_seconds:g} s.") from None
        except OutOfMemory:
            self.end()
            raise
        except (OSError, EOFError):
            raise self._cause_of_death() from None
        except ValueError as error:
            self.end()
            raise RunnerCrashed(f"The runner's answer could not be read: {error}.") from error

    def hang_up(self) -> None:
        """End the conversation: an idle runner goes by itself, a call under way fails at once."""
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)

    def end(self, *, grace_seconds: float = 0.0) -> None:
        """Make sure that the process, and what it forked, is gone."""
        if self.process.returncode is not None:
            return
        self.hang_up()
        self._await_exit(grace_seconds)
        # Its number names no other group before it is waited for.
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._channel.close()

    def resident_bytes(self) -> int:
        """The memory it holds."""
        try:
            return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE_BYTES
        except (OSError, IndexError):
            return 0

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

    def _exchange(self, frame: bytes, *, deadline: float) -> Message:
        unsent = memoryview(frame)
        while unsent:
            self._watch(deadline)
            with suppress(TimeoutError):
                unsent = unsent[self._channel.send(unsent) :]
        size = protocol.body_size(self._receive(protocol.HEADER.size, deadline=deadline))
        return protocol.unpack(self._receive(size, deadline=deadline))

    def _receive(self, size: int, *, deadline: float) -> bytearray:
        received = bytearray(size)
        missing = memoryview(received)
        while missing:
            self._watch(deadline)
            with suppress(TimeoutError):
                count = self._channel.recv_into(missing)
                if not count:
                    raise EOFError
                missing = missing[count:]
        return received

    def _watch(self, deadline: float) -> None:
        now = time.monotonic()
        if now >= deadline:
            raise TimeoutError
        if now >= self._looked_at + LOOK_SECONDS:
            self._look()

    def _look(self) -> None:
        self._looked_at = time.monotonic()
        kernel_kills = _kernel_kills()
        if not self.alive:
            raise EOFError  # what it forked may hold its end of the channel open
        self._kernel_kills = kernel_kills
        if self.resident_bytes() > self.memory_limit_bytes:
            raise OutOfMemory(f"The model needed more than {self.memory_limit_bytes / (1 << 30):.3g} GiB of memory.")

    def _cause_of_death(self) -> EngineError:
        exited = self._await_exit(DYING_SECONDS)
        kernel_kills = _kernel_kills()
        self.end()
        code = self.process.returncode
        if not exited:
            return RunnerCrashed("The process closed its channel.")
        if code == -signal.SIGKILL and kernel_kills > self._kernel_kills:
            return OutOfMemory("The machine ran out of memory, and the kernel ended the process.")
        if code < 0:
            return RunnerCrashed(f"The process was ended by {signal.Signals(-code).name}.")
        return RunnerCrashed(f"The process ended itself with exit code {code}.")


def _start(channel: int, *, words: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    ends = [str(channel), str(os.getpid())]
    return subprocess.Popen(  # noqa: S603 - ours: the words only name what it runs
        [sys.executable, "-P", "-X", "faulthandler", "-m", "mlcore.runner", *ends, *words],
        stdin=subprocess.DEVNULL,
        stdout=2,  # what a model prints is a log
        pass_fds=[channel],
        env=dict(environment),
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
