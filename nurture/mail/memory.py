"""A transport that keeps what it is given: for tests, rehearsals and `status: rehearse`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from nurture.mail.transport import Again, Done, Take
from nurture.model.delivery import Delivery, Outgoing, Phase, Reply


def accepted(message: Outgoing) -> Reply:
    return Reply(Phase.BODY, 250, f"2.0.0 kept as {message.id}")


@dataclass(slots=True)
class MemoryTransport:
    """`sent` holds every message that was accepted, in order; `answer` may say anything instead."""

    answer: Callable[[Outgoing], Reply] = accepted
    capacity: int = 40
    resting: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    per_hour: float | None = None
    per_group: float | None = None
    sent: list[Outgoing] = field(default_factory=list)
    stopping: bool = False
    elapsed: float = 0.0

    def pump(self, take: Take, done: Done, again: Again | None = None) -> None:
        while not self.stopping and (batch := take(self.capacity)):
            for message in batch:
                reply = self.answer(message)
                if reply.phase is Phase.BODY and reply.code is not None and 200 <= reply.code < 300:
                    self.sent.append(message)
                done(Delivery(message.id, reply, "memory"))

    def stop(self) -> None:
        self.stopping = True

    def close(self) -> None:
        return None
