"""`python -m config.embedded exec -- COMMAND`: run a command beside a PostgreSQL and a Valkey of its own."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from config.embedded import databases, deathpact, folders
from config.embedded.errors import CannotStart
from config.embedded.supervisor import Stopped, stop_on_signals

KILLED = 128


def main() -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m config.embedded")
    execute = parser.add_subparsers(dest="action", required=True).add_parser(
        "exec", help="run a command with DATABASE_URL and REDIS_URL set, embedded servers behind them"
    )
    execute.add_argument("--home", type=Path, help="data folder; a temporary one if not given")
    execute.add_argument("command", nargs="+", metavar="COMMAND", help="after --")
    arguments = parser.parse_args()
    deathpact.die_with_make()
    umask = os.umask(0o077)
    stop_on_signals()
    try:
        return execute_command(arguments.command, home=arguments.home, umask=umask)
    except Stopped:
        return KILLED + signal.SIGTERM
    except (CannotStart, OSError) as error:
        print(f"almanac: {error}", file=sys.stderr)
        return 1


def execute_command(command: Sequence[str], *, home: Path | None, umask: int) -> int:
    """Run the command beside databases, given or embedded."""
    databases.given(os.environ)
    with (
        folder(home) as path,
        folders.held(path) as held,
        databases.opened(held) as opened,
    ):
        return foreground(command, environment=opened.environment, umask=umask)


@contextmanager
def folder(given: Path | None) -> Iterator[Path]:
    """Lend the data folder, or a temporary one."""
    if given:
        yield given.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="almanac-", ignore_cleanup_errors=True) as temporary:
        yield Path(temporary)


def foreground(command: Sequence[str], *, environment: Mapping[str, str], umask: int) -> int:
    """Run the command at the terminal, which sends it Ctrl-C itself, and return its exit status."""
    parent = os.getpid()
    program = shutil.which(command[0]) or command[0]
    child = subprocess.Popen(  # noqa: S603
        [program, *command[1:]],
        env=environment,
        umask=umask,
        preexec_fn=lambda: deathpact.die_with(parent),  # noqa: PLW1509 (one thread here)
    )
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: child.send_signal(received))
    status = child.wait()
    return KILLED - status if status < 0 else status


if __name__ == "__main__":
    sys.exit(main())
