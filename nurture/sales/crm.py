"""What a CRM has to be able to do for us, and a double that remembers. Adapters themselves are other packages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class CrmAdapter(Protocol):
    """One CRM. Every call carries a key; the same key must never make a second record.

    Methods return the record's id in the CRM. They raise `errors.Unavailable` when trying again may help and any
    other `errors.NurtureError` when it will not.
    """

    def hand_over(self, packet: Mapping[str, Any], *, key: str) -> str:
        """A lead that marketing handed to sales, with its packet."""
        ...

    def convert(self, report: Mapping[str, Any], *, key: str) -> str:
        """Account, contact and perhaps opportunity that a seller made out of a lead."""
        ...


@dataclass(slots=True)
class MemoryCrm:
    """Keeps what it is given, once per key."""

    records: dict[str, dict[str, Any]] = field(default_factory=dict)

    def hand_over(self, packet: Mapping[str, Any], *, key: str) -> str:
        return self._keep("hand_over", packet, key)

    def convert(self, report: Mapping[str, Any], *, key: str) -> str:
        return self._keep("convert", report, key)

    def _keep(self, what: str, document: Mapping[str, Any], key: str) -> str:
        self.records.setdefault(key, {"what": what, "document": dict(document)})
        return f"{what}-{list(self.records).index(key) + 1}"
