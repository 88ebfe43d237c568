"""What every page needs: the parts in force now, the clock, the page templates, and the limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from nurture.clock import Clock
from nurture.model.company import Company
from nurture.parts import Parts
from nurture.web.language import NAMES, catalogue, locale
from nurture.web.limits import Limit
from nurture.web.oidc import Provider
from nurture.web.shown import day, linked, stage, visible

PAGES: Final = Path(__file__).parent / "pages"


@dataclass(slots=True)
class Limits:
    """Asks per network and process, generous for people. Attempts to sign in are counted in the store, for all."""

    post: Limit = field(default_factory=lambda: Limit(60, timedelta(minutes=1)))
    form: Limit = field(default_factory=lambda: Limit(20, timedelta(minutes=10)))
    call: Limit = field(default_factory=lambda: Limit(1200, timedelta(minutes=1)))
    visit: Limit = field(default_factory=lambda: Limit(300, timedelta(minutes=1)))
    visitor: Limit = field(default_factory=lambda: Limit(200, timedelta(days=1)))


@dataclass(slots=True)
class House:
    """`parts` is kept fresh by whoever serves: a campaign applied while the app runs is seen without a restart."""

    parts: Parts
    clock: Clock
    demo: bool = False
    webhook_secrets: tuple[str, ...] = ()
    provider: Provider | None = None
    """Whose accounts sign people in, beside passwords and links."""
    mailbox: Path | None = None
    """Where a mail server on this machine keeps mails as files, if one does: erasure ends those too."""
    limits: Limits = field(default_factory=Limits)

    @property
    def company(self) -> Company:
        return self.parts.library.company

    @property
    def zone(self) -> ZoneInfo:
        """Where the company lives: times on its pages are those of its clocks."""
        return ZoneInfo(self.company.timezone)

    def now(self) -> datetime:
        return self.clock.now()

    def pages(self, language: str) -> Environment:
        """The page templates, speaking `language`."""
        return _environment(language)


@lru_cache(maxsize=len(NAMES))
def _environment(language: str) -> Environment:
    made = Environment(
        loader=FileSystemLoader(PAGES),
        autoescape=True,
        finalize=visible,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    install: Any = made.install_gettext_translations  # type: ignore[attr-defined]  # added by the i18n extension
    install(catalogue(language), newstyle=True)
    here = locale(language)
    made.filters.update(day=partial(day, locale=here), linked=linked, stage=stage)
    made.globals.update(language=language, languages=NAMES, locale=locale(language))
    return made
