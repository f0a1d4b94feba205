"""The web server's address."""

import ipaddress
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from config.embedded.errors import CannotStart

DEFAULT_PORT = 8000
TRIED_PORTS = 100


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where the web server listens."""

    host: str
    port: int

    @property
    def reachable_host(self) -> str:
        """A host that reaches it from this machine."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def url(self) -> str:
        """The URL for this machine's own browser."""
        host = f"[{self.reachable_host}]" if ":" in self.host else self.reachable_host
        return f"http://{host}:{self.port}"


@contextmanager
def reserved(environ: Mapping[str, str]) -> Iterator[Address]:
    """Keep PORT on HOST, or the first free port from the default one on, for our web server alone.

    Raises: CannotStart where PORT is busy or no port, or HOST is no address of this machine.
    """
    host, family = _resolved(environ.get("HOST") or "127.0.0.1")
    given = environ.get("PORT")
    if given and not (given.isdecimal() and 0 < int(given) < 65536):
        raise CannotStart(f"PORT={given} is no port: give a number from 1 to 65535")
    first = int(given) if given else DEFAULT_PORT
    for port in range(first, first + (1 if given else TRIED_PORTS)):
        if reservation := _reservation(host, port=port, family=family):
            with reservation:
                yield Address(host=host, port=port)
            return
    if given:
        raise CannotStart(f"port {first} on {host} is busy or not allowed: set PORT to another one")
    raise CannotStart(f"ports {first} to {first + TRIED_PORTS - 1} on {host} are all busy: set PORT to a free one")


def _resolved(host: str) -> tuple[str, socket.AddressFamily]:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address[0], 0))
    except OSError as error:
        raise CannotStart(f"HOST={host} is no address of this machine: set HOST to one, say 127.0.0.1") from error
    return str(address[0]), family


def _reservation(host: str, *, port: int, family: socket.AddressFamily) -> socket.socket | None:
    """Return a bound socket beside which Granian, and no other kind of server, can listen."""
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Sees who listens or reserves, looks past connections of the last run that are still closing.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
        reservation = socket.socket(family, socket.SOCK_STREAM)
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        reservation.bind((host, port))
    except OSError:
        return None
    return reservation
