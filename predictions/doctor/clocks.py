"""Clocks that ought to agree."""

from __future__ import annotations

from predictions.doctor import Finding, fault, ok, warning

WARN_SECONDS = 2.0
FAULT_SECONDS = 30.0


def skew(whose: str, *, theirs: float, before: float, after: float) -> Finding:
    """Compare a clock with this machine's, read before and after; what the question took is no skew.

    Leases go by the database's clock alone. Ids, and so the order of predictions, go by the web server's; tokens
    expire by it.
    """
    seconds = before - theirs if theirs < before else max(theirs - after, 0.0)
    says = f"{whose} and this machine are {seconds:,.1f} s apart"
    fix = "Have both set their clocks over the network (chrony, systemd-timesyncd)."
    if seconds > FAULT_SECONDS:
        return fault("clock", says, fix)
    return warning("clock", says, fix) if seconds > WARN_SECONDS else ok("clock", says)
