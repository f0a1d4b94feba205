"""Who the database server runs as: PostgreSQL refuses root, so root becomes something less, in the child.

Neither way is a sandbox.
"""

import ctypes
import os
import pwd
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from config.embedded.deathpact import libc
from config.embedded.errors import CannotStart

CLONE_NEWUSER = 0x10000000
PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP = 28, 4
PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 47, 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522
NOBODY = 65534


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A user for the database server."""

    enter: Callable[[], None]  # runs in the child, between fork and exec
    owner: int  # the uid its files have outside


def server_identity(program: Path, *, home: Path) -> Identity:
    """Return the first identity under which the program runs and may write into the folder.

    Raises: CannotStart where PostgreSQL refuses us, and we can become nobody else.
    """
    user = os.geteuid()
    if user != 0 and _has_name(user):
        return Identity(enter=_stay, owner=user)
    namespace = Identity(enter=_enter_user_namespace, owner=user)
    nobody = Identity(enter=_become_nobody, owner=NOBODY)
    for identity in (namespace, nobody) if user == 0 else (namespace,):
        if _works(identity, program=program, home=home):
            return identity
    raise CannotStart(
        "PostgreSQL refuses root and users without a name, and this machine lets us become nobody else: "
        "run as an ordinary user, or set DATABASE_URL and REDIS_URL"
    )


def _works(identity: Identity, *, program: Path, home: Path) -> bool:
    def enter_and_look() -> None:
        identity.enter()
        if not os.access(home, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
            raise PermissionError

    try:
        tried = subprocess.run(  # noqa: S603
            [program, "--version"], preexec_fn=enter_and_look, capture_output=True, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return tried.returncode == 0


def _has_name(user: int) -> bool:
    try:
        pwd.getpwuid(user)
    except KeyError:
        return False
    return True


def _stay() -> None:
    pass


def _enter_user_namespace() -> None:
    """Map us to one ordinary id inside a namespace of its own; outside, the files stay ours."""
    user, group = os.geteuid(), os.getegid()
    # It needs a passwd entry, and 65534 stands for "not mapped".
    inner = next(entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid not in (0, NOBODY))
    _check(libc.unshare(CLONE_NEWUSER))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{inner} {group} 1")
    Path("/proc/self/uid_map").write_text(f"{inner} {user} 1")


def _become_nobody() -> None:
    """Become nobody, but one who may still enter root's private folders."""
    _check(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0))
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    mask = 1 << CAP_DAC_OVERRIDE
    # effective, permitted, inheritable; once for the lower and once for the upper 32 capabilities
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    _check(libc.capset(header, sets))
    _check(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0))


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
