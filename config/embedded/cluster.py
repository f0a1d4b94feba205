"""PostgreSQL's data folder: made whole or not at all, and only for its own version."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from config.embedded.errors import CannotStart
from config.embedded.folders import Home
from config.embedded.identity import Identity
from config.embedded.parts import Program, run

ROLE = DATABASE = "almanac"
FIRST_BUILTIN_LOCALE = 17
BUILTIN_LOCALE = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
# `trust` is acceptable only because the folders of data and socket are private.
RULES = ("--auth-local=trust", "--auth-host=reject", "--data-checksums", "--no-sync", "--no-instructions")
STATEMENTS = f"CREATE ROLE {ROLE} LOGIN CREATEDB\nCREATE DATABASE {DATABASE} OWNER {ROLE}\n"


def data_folder(home: Home, *, program: Path, identity: Identity) -> Path:
    """Return the folder for this version of PostgreSQL, made if need be.

    Raises: CannotStart where the data is another version's.
    """
    major = _major(program)
    data = home.path / f"pg{major}"
    if not data.exists():
        _refuse_other_versions(home, major=major)
        _make(data, home=home, program=program, identity=identity)
    written_by = (data / "PG_VERSION").read_text().strip()
    if written_by != major:
        raise _other_version(data, written_by=written_by, major=major)
    if data.stat().st_uid != identity.owner:  # root was someone else here last time
        for path in (data, *data.rglob("*")):
            os.lchown(path, identity.owner, identity.owner)
    return data


def environment() -> dict[str, str]:
    """Return our environment without what would steer PostgreSQL's programs elsewhere."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _refuse_other_versions(home: Home, *, major: str) -> None:
    for data in sorted(home.path.glob("pg[0-9]*")):
        raise _other_version(data, written_by=data.name[2:], major=major)


def _other_version(data: Path, *, written_by: str, major: str) -> CannotStart:
    return CannotStart(
        f"{data} was written by PostgreSQL {written_by} and this is {major}: with the Almanac that wrote it, run "
        f"`manage.py backup FILE`; then move {data} away, and run `python -m config.embedded exec --home {data.parent}"
        " -- python manage.py restore FILE` (docs/operations.md), or set ALMANAC_HOME to another folder"
    )


def _make(data: Path, *, home: Home, program: Path, identity: Identity) -> None:
    draft = data.with_name(f"new-{data.name}")
    shutil.rmtree(draft, ignore_errors=True)
    locale = BUILTIN_LOCALE if int(_major(program)) >= FIRST_BUILTIN_LOCALE else ("--locale=C.UTF-8",)
    initdb: list[str | Path] = [
        program.with_name("initdb"),
        "-D",
        draft,
        "-U",
        "postgres",
        "-E",
        "UTF8",
        *locale,
        *RULES,
    ]
    single_user: list[str | Path] = [program, "--single", "-D", draft, "postgres"]
    for command, feed in ((initdb, ""), (single_user, STATEMENTS)):
        step = Program(
            name=Path(command[0]).name,
            command=command,
            environment=environment(),
            log=home.logs / "postgres.log",
            enter=identity.enter,
            lock=home.children_lock,
        )
        if run(step, feed=feed.encode()) != 0:
            raise CannotStart(f"{step.name} could not make {data}: {step.last_words()}")
    draft.rename(data)


def _major(program: Path) -> str:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    version = re.search(r"\) (\d+)", said)
    if not version:
        raise CannotStart(f"{program} does not say its version, but {said.strip()!r}")
    return version.group(1)
