"""Which ground lets a company write to or call somebody, by the law of their country. Data, with its sources.

Not legal advice: a table that a lawyer can read and correct. `reviewed_on` says when somebody last did; `SOURCES` says
what was read. Whoever is not in the table, or has no known country, is treated by the strictest row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from nurture.model.consent import Basis
from nurture.model.words import MAIL_PURPOSES, Channel, Purpose

_OPT_IN: Final = frozenset({Basis.CONSENT})
_OPT_IN_SOFT: Final = frozenset({Basis.CONSENT, Basis.SOFT_OPT_IN})


@dataclass(frozen=True, slots=True)
class Jurisdiction:
    """`mail` and `phone` list the grounds that suffice for marketing over that channel, companies included."""

    code: str
    name: str
    mail: frozenset[Basis]
    phone: frozenset[Basis]
    footer: frozenset[str]
    """What every marketing mail must carry: `sender_name`, `postal_address`, `registration`, `imprint`,
    `marketing_marker`, `reason`, `unsubscribe`."""
    double_opt_in: bool
    """Whether a confirmed request is what the authority expects as proof."""
    marker: tuple[str, ...] = ()
    """One of these words has to stand in the subject or the sender's name."""
    tracking_by_consent: bool = True
    inform: bool = True
    """Whether somebody whose data came from elsewhere has to be told within a month (GDPR Art. 14, also the UK's)."""
    reviewed_on: date = date(2026, 11, 22)
    sources: tuple[str, ...] = ()

    def suffices(self, basis: str | None, purpose: Purpose, channel: Channel) -> bool:
        """Whether `basis` is ground enough. Tracking and profiling always rest on consent alone."""
        if basis is None:
            return False
        if purpose in (Purpose.OPEN_TRACKING, Purpose.CLICK_TRACKING):
            return basis == Basis.CONSENT or not self.tracking_by_consent
        if purpose is Purpose.PROFILING:
            return basis in (Basis.CONSENT, Basis.LEGIT_INTEREST, Basis.CONTRACT)
        if purpose is Purpose.PRIVACY_NOTICE:
            return True
        if channel is Channel.PHONE:
            return basis in self.phone
        if purpose in MAIL_PURPOSES or channel is Channel.EMAIL:
            return basis in self.mail
        return basis == Basis.CONSENT


_EVERYWHERE: Final = frozenset({"sender_name", "reason", "unsubscribe"})
_EDPB = "EDPB Guidelines 2/2023 on ePrivacy Art. 5(3): a pixel is access to the terminal"
_SOFT = "CJEU C-654/23 (13 Nov 2025): what counts as a sale under ePrivacy Art. 13(2)"

STRICTEST: Final = Jurisdiction(
    code="??",
    name="an unknown country",
    mail=_OPT_IN,
    phone=_OPT_IN,
    double_opt_in=True,
    footer=_EVERYWHERE | {"postal_address", "registration", "imprint", "marketing_marker"},
    marker=("newsletter", "obchodní sdělení"),
    sources=("the intersection of the rows below",),
)

TABLE: Final[Mapping[str, Jurisdiction]] = {
    row.code: row
    for row in (
        Jurisdiction(
            code="PL",
            name="Poland",
            mail=_OPT_IN,
            phone=_OPT_IN,
            double_opt_in=True,
            footer=_EVERYWHERE | {"postal_address", "registration"},
            sources=(
                "Prawo komunikacji elektronicznej (Act of 12 July 2024), Art. 398, in force 10 Nov 2024: prior consent "
                "of subscribers and end users, companies included; in the place of Art. 10 of the act on electronic "
                "services and Art. 172 of the telecommunications law, so it is about calls too",
                "SN III SZP 7/15: asking for consent is itself commercial communication",
                _EDPB,
            ),
        ),
        Jurisdiction(
            code="CZ",
            name="Czechia",
            mail=_OPT_IN_SOFT,
            phone=_OPT_IN,
            double_opt_in=True,
            footer=_EVERYWHERE | {"postal_address", "registration", "marketing_marker"},
            marker=("obchodní sdělení", "newsletter"),
            sources=(
                "Act 480/2004 Coll., section 7: consent of natural and legal persons; own customers and similar goods",
                "UOOU, questions and answers, and control report 2019: marker in the subject or sender, firm and ICO "
                "in the message itself, double opt-in and logs as proof",
                _EDPB,
            ),
        ),
        Jurisdiction(
            code="DE",
            name="Germany",
            mail=_OPT_IN_SOFT,
            phone=_OPT_IN,
            double_opt_in=True,
            footer=_EVERYWHERE | {"postal_address", "imprint"},
            sources=(
                "UWG section 7(2) no. 2 and 7(3): express consent also between companies; four cumulative conditions "
                "for existing customers",
                "DDG sections 5 and 6: imprint; who writes and that it is advertising may not be hidden in sender and "
                "subject. TDDDG section 25: a pixel needs consent",
                "BGH I ZR 164/09: each declaration documented; OLG Duesseldorf I-15 U 64/15: the confirmation mail is "
                "free of advertising",
                _SOFT,
                _EDPB,
            ),
        ),
        Jurisdiction(
            code="FR",
            name="France",
            double_opt_in=False,
            footer=_EVERYWHERE | {"postal_address"},
            mail=_OPT_IN_SOFT,
            phone=_OPT_IN,
            sources=(
                "CPCE Art. L34-5: prior consent; own customers and similar products. CNIL lets companies write to "
                "people about their work with information and objection at collection, but whether an address is "
                "used for work and the offer is about it cannot be read off an address, so the rule for people "
                "applies to all",
                "Law 2025-594, Art. 13 (consumer code Art. L223-1): calls to consumers by consent since 11 August 2026",
                "CNIL recommendation 2026-042 (12 March 2026): own consent for open tracking, hygiene exemption",
            ),
        ),
        Jurisdiction(
            code="IT",
            name="Italy",
            mail=_OPT_IN_SOFT,
            phone=_OPT_IN,
            double_opt_in=True,
            footer=_EVERYWHERE | {"postal_address"},
            sources=(
                "Codice privacy Art. 130: consent of contracting parties, legal persons included; own customers",
                "Garante, Provv. 284 (17 April 2026): pixels by consent, six months to comply",
            ),
        ),
        Jurisdiction(
            code="UK",
            name="the United Kingdom",
            mail=_OPT_IN_SOFT,
            phone=_OPT_IN,
            double_opt_in=False,
            footer=_EVERYWHERE | {"postal_address", "registration"},
            sources=(
                "PECR regulations 6, 21 and 22. Corporate subscribers may be written to without consent, but whether "
                "somebody is one cannot be read off an address, so individuals' rules apply to all",
                "Data (Use and Access) Act 2025, sections 110 to 115, since 5 February 2026: fines as under UK GDPR, "
                "also for what was sent and never arrived; the rule for companies' own customers is as it was",
                "ICO, direct marketing guidance: suppress, do not delete",
            ),
        ),
        Jurisdiction(
            code="US",
            name="the United States",
            double_opt_in=False,
            footer=_EVERYWHERE | {"postal_address"},
            mail=frozenset(Basis),
            phone=_OPT_IN,
            tracking_by_consent=False,
            inform=False,
            sources=(
                "CAN-SPAM, 15 USC 7704(a)(3) to (5): a way out that works for 30 days and counts within 10 business "
                "days, a postal address; whoever did not agree is told that it is advertising (the footer says so)",
                "16 CFR 316.5: no fee, no login, one page",
            ),
        ),
        Jurisdiction(
            code="CA",
            name="Canada",
            double_opt_in=False,
            footer=_EVERYWHERE | {"postal_address"},
            inform=False,
            mail=frozenset({Basis.CONSENT, Basis.CASL_IMPLIED_PURCHASE, Basis.CASL_IMPLIED_INQUIRY}),
            phone=_OPT_IN,
            sources=(
                "CASL sections 6 and 10: implied consent two years after a purchase, six months after an inquiry",
                "CRTC guidance: identification, mechanism valid 60 days, a request for consent is itself a message",
                "Quebec, act on personal information in the private sector (Law 25), section 8.1: what identifies or "
                "profiles people is off until they switch it on",
            ),
        ),
    )
}

_ALIASES: Final = {"GB": "UK", "EN": "UK"}


def of(country: str | None) -> Jurisdiction:
    """The row for an ISO country code; the strictest where nothing is known."""
    code = (country or "").strip().upper()
    return TABLE.get(_ALIASES.get(code, code), STRICTEST)
