"""The ledger in plain Python: what each service should do, without SQL, clocks or threads."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

MAX_ATTEMPTS = 3


@dataclass
class Job:
    """A prediction that waits, or runs under a token."""

    user: int
    version: int
    attempts: int = 0
    solo: bool = False
    token: UUID | None = None
    lease_is_over: bool = False
    run_is_over: bool = False

    @property
    def waits(self) -> bool:
        """True where a worker may claim it."""
        return self.token is None

    def release(self) -> None:
        """Put it back into the queue."""
        self.token, self.lease_is_over, self.run_is_over = None, False, False


@dataclass(frozen=True)
class End:
    """How a prediction ended. It never changes."""

    status: str
    attempts: int
    reason: str | None = None
    value: int | None = None
    token: UUID | None = None


@dataclass
class Ledger:
    """Every prediction is in `jobs` or in `ended`, and in one of them only; jobs in the order they came in."""

    jobs: dict[UUID, Job] = field(default_factory=dict)
    ended: dict[UUID, End] = field(default_factory=dict)
    keys: dict[tuple[int, str | None], tuple[object, list[UUID]]] = field(default_factory=dict)
    withdrawn: set[int] = field(default_factory=set)

    def create(self, ids: Iterable[UUID], *, user: int, version: int) -> None:
        """Accept predictions."""
        self.jobs |= {id: Job(user, version) for id in ids}

    def claimable(self, version: int, *, after: int, solo: bool) -> dict[int, list[UUID]]:
        """Return what a claim may choose from: a user's jobs in order, for each user who waits."""
        queues: dict[int, list[UUID]] = {}
        for id, job in self.jobs.items():
            if job.waits and job.version == version and job.solo == solo and (solo or job.user > after):
                queues.setdefault(job.user, []).append(id)
        return queues

    def is_waiting(self, *, solo: bool) -> bool:
        """True where there is something to claim."""
        return any(job.waits and job.solo == solo for job in self.jobs.values())

    @property
    def is_untidy(self) -> bool:
        """True where there is something to sweep."""
        return any(job.lease_is_over if job.token else job.version in self.withdrawn for job in self.jobs.values())

    def is_fair(self, taken: Collection[UUID], *, queues: Mapping[int, list[UUID]], limit: int) -> bool:
        """True where a claim took the oldest of each user, equal parts, and as many as it could."""
        users = sorted(queues)[:limit]
        share = math.ceil(limit / max(len(users), 1))
        for user, queue in queues.items():
            mine = [id for id in queue if id in taken]
            if mine != queue[: len(mine)] or len(mine) > (share if user in users else 0):
                return False
        return len(taken) == min(limit, sum(min(share, len(queues[user])) for user in users))

    def claim(self, token: UUID, taken: Iterable[UUID], *, run_is_over: bool) -> None:
        """Give these to a worker."""
        for job in (self.jobs[id] for id in taken):
            job.token, job.attempts = token, job.attempts + 1
            job.lease_is_over = job.run_is_over = run_is_over

    def held(self, *tokens: UUID) -> dict[UUID, Job]:
        """Return what somebody with these tokens still holds."""
        return {id: job for id, job in self.jobs.items() if job.token in tokens}

    def renew(self, *tokens: UUID) -> set[UUID]:
        """Renew leases, but not past the end of the run; return the tokens that still hold anything."""
        held = self.held(*tokens).values()
        for job in held:
            job.lease_is_over = job.run_is_over
        return {token for job in held if (token := job.token)}

    def finish(self, token: UUID, endings: Mapping[UUID, tuple[str | None, int]]) -> set[UUID]:
        """End what the token still holds, each with a reason or a value; return what that was."""
        mine = self.held(token).keys() & endings.keys()
        for id in mine:
            reason, value = endings[id]
            self._end(id, "failed" if reason else "succeeded", reason=reason, value=value, token=token)
        return mine

    def hand_back(self, token: UUID, ids: Iterable[UUID], *, solo: bool, counted: bool) -> int:
        """Put back what the token still holds."""
        mine = self.held(token).keys() & set(ids)
        for job in (self.jobs[id] for id in mine):
            job.release()
            job.solo = job.solo or solo
            job.attempts -= not counted
        return len(mine)

    def cancel(self, id: UUID, *, user: int) -> bool:
        """End a person's own prediction that has not ended."""
        if id not in self.jobs or self.jobs[id].user != user:
            return False
        self._end(id, "canceled")
        return True

    def sweep(self) -> tuple[list[int], int, int, int]:
        """Return versions to be claimed again, and how many came back, were lost for good, had no version left."""
        dead = {id: job for id, job in self.jobs.items() if job.token and job.lease_is_over}
        lost = [id for id, job in dead.items() if job.attempts >= MAX_ATTEMPTS]
        back = [job for job in dead.values() if job.attempts < MAX_ATTEMPTS]
        for id in lost:
            self._end(id, "failed", reason="worker_lost")
        for job in back:
            job.release()
            job.solo = True
        withdrawn = [id for id, job in self.jobs.items() if job.waits and job.version in self.withdrawn]
        for id in withdrawn:
            self._end(id, "failed", reason="version_withdrawn")
        return sorted({job.version for job in back}), len(back), len(lost), len(withdrawn)

    def delete(self, ids: Collection[UUID]) -> int | None:
        """Forget ended predictions; None where one of them has not ended, and then none is forgotten."""
        if any(id in self.jobs for id in ids):
            return None
        return sum(self.ended.pop(id, None) is not None for id in set(ids))

    def _end(
        self,
        id: UUID,
        status: str,
        *,
        reason: str | None = None,
        value: int | None = None,
        token: UUID | None = None,
    ) -> None:
        job = self.jobs.pop(id)
        self.ended[id] = End(status, job.attempts, reason, None if reason else value, token)
