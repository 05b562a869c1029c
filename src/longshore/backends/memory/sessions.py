"""This module holds the leases of workers' sessions in the memory store."""

from collections.abc import Iterable

from longshore.core.ids import JobId
from longshore.store.commands import Lease
from longshore.store.replies import Extended


class Sessions:
    """Until when each session may hold jobs, and which of those somebody wants stopped."""

    def __init__(self) -> None:
        self._until_ms: dict[str, int] = {}
        self._cancelling: dict[str, set[JobId]] = {}

    def is_live(self, session: str | None, now_ms: int) -> bool:
        """Whether the session's lease runs."""
        return session is not None and self._until_ms.get(session, now_ms) > now_ms

    def extend(self, lease: Lease, now_ms: int) -> Extended:
        """Opens, prolongs or ends a session."""
        session = lease.session
        if lease.lease_ms <= 0:
            self.end([session])
            return Extended(held=False)
        if not lease.opens and session not in self._until_ms:
            return Extended(held=False)
        self._until_ms[session] = now_ms + lease.lease_ms
        return Extended(held=True, cancel=tuple(sorted(self._cancelling.get(session, ()))))

    def end(self, sessions: Iterable[str]) -> None:
        """Ends sessions for good. What they run is lost, and waits to be rescued."""
        for session in sessions:
            self._until_ms.pop(session, None)

    def over(self, now_ms: int) -> list[str]:
        """Sessions whose lease is over and that nobody has ended yet."""
        return [session for session, until_ms in self._until_ms.items() if until_ms <= now_ms]

    def ask_to_stop(self, session: str, job_id: JobId) -> None:
        """Notes a job for the session's next `extend`."""
        self._cancelling.setdefault(session, set()).add(job_id)

    def stopped(self, session: str, job_id: JobId) -> None:
        """The job is not running any more."""
        asked = self._cancelling.get(session)
        if asked is not None:
            asked.discard(job_id)
            if not asked:
                del self._cancelling[session]
