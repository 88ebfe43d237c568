"""How an installation reaches other systems, and what it proves itself with. Empty, it reaches nobody (rehearsals)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class CrmAdapter(Protocol):
    """One CRM. Every call carries a key; the same key must never make a second record.

    Methods return the record's id in the CRM. They raise `errors.Unavailable` when trying again may help and any
    other `errors.NurtureError` when it will not. A package brings one under the entry point `nurture.crm`: the name is
    what `{ crm: NAME }` in `sales.yaml` says, the object a callable that makes the adapter.
    """

    def hand_over(self, packet: Mapping[str, Any], *, key: str) -> str:
        """A lead that marketing handed to sales, with its packet."""
        ...

    def convert(self, report: Mapping[str, Any], *, key: str) -> str:
        """Account, contact and perhaps opportunity that a seller made out of a lead."""
        ...


@dataclass(frozen=True, slots=True)
class Outside:
    packets: Path = Path()
    """The folder that holds every CSV folder."""
    webhook_secret: str = field(default="", repr=False)
    """Signs what leaves (`whsec_...`); without one no webhook does."""
    private_webhooks: bool = False
    """Whether webhooks may lead into private networks."""
    crm: Mapping[str, CrmAdapter] = field(default_factory=dict)
    providers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Mail provider -> the secret of its calls to us."""
    fetch: Callable[[str], bytes] | None = None
    """Gets a document from an address that was checked before; None: over https."""
    mail_servers: Callable[[str], Sequence[str]] | None = None
    """Domain -> who takes its mail; None: nobody is asked."""
    metrics_token: str = field(default="", repr=False)
    """Opens the books to a program; without one they are not there."""
