"""What a stage is given: the parts of one running installation, put together once (`cli`, `flows`, `rehearse`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nurture.model.campaign import Campaign
from nurture.model.library import Library
from nurture.model.outside import Outside
from nurture.model.template import Template
from nurture.model.tokens import Keys
from nurture.store import Store

if TYPE_CHECKING:
    from nurture.mail.transport import Transport


@dataclass(slots=True)
class Parts:
    """`library` is what was applied last; `pinned` holds older versions that people inside still follow."""

    store: Store
    library: Library
    keys: Keys
    transport: Transport
    public_url: str
    versions: Mapping[str, int] = field(default_factory=dict)
    """Campaign -> version number of `library.campaigns`."""
    pinned: Mapping[tuple[str, int], Campaign] = field(default_factory=dict)
    pinned_copy: Mapping[tuple[str, int], Mapping[str, Template]] = field(default_factory=dict)
    """The copy those older versions send: template name -> template."""
    templates: Mapping[str, Template] = field(default_factory=dict)
    """Every template in use by digest, pinned ones included."""
    outside: Outside = Outside()
    applied: str = ""
    """Digest of what is applied; the pipeline reloads when the store's differs."""

    def campaign(self, campaign_id: str, version: int) -> Campaign | None:
        """The content of one version: a pinned one where it is kept, else the live one."""
        return self.pinned.get((campaign_id, version)) or self.library.campaigns.get(campaign_id)

    def template_of(self, campaign_id: str, version: int, name: str) -> Template:
        """The copy that this version of the campaign sends. KeyError where it was never applied."""
        return (
            self.pinned_copy.get((campaign_id, version), self.library.templates).get(name)
            or self.library.templates[name]
        )
