"""Putting the parts of an installation together: what was applied, keys, transport. It alone knows them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

from nurture.authoring import read_sources
from nurture.decide.change import effective, former
from nurture.errors import NurtureError, Refused, UsageError
from nurture.mail.dkim import Signer, load_signer
from nurture.mail.exchangers import exchangers
from nurture.mail.smtp import over_smtp
from nurture.mail.transport import Transport
from nurture.model.campaign import Campaign
from nurture.model.change import Redirect
from nurture.model.library import Library
from nurture.model.outside import Outside
from nurture.model.template import Template
from nurture.model.tokens import Keys, address_hash
from nurture.model.words import CampaignStatus
from nurture.parts import Parts
from nurture.settings import Settings
from nurture.store import Connection, Store
from nurture.store.privacy import own_key
from nurture.store.programs import campaigns, inside

ANOTHER_KEY = "another-key"
"""Code of the refusal of a database that was begun with another key."""


def assemble(store: Store, settings: Settings, *, transport: Transport | None = None) -> Parts:
    """The parts of the installation that `settings` describe, with what is applied in `store`."""
    keys = Keys.from_secrets(settings.secrets())
    _be_its_key(store, keys, settings)
    parts = Parts(
        store=store,
        library=_read({}),
        keys=keys,
        transport=transport or over_smtp(settings.smtp_url, settings.smtp_routes, signers=_signers(settings)),
        public_url=settings.url,
        outside=_outside(settings),
    )
    refresh(parts)
    return parts


def _be_its_key(store: Store, keys: Keys, settings: Settings) -> None:
    """Note the key of a new database. Raises Refused where people were hashed under another one."""
    mark = key_mark(keys)
    with store.read() as conn:
        if own_key.remembered(conn) == mark:
            return
    with store.begin() as conn:
        before = own_key.remembered(conn)
        if before not in (None, mark) and own_key.matters(conn):
            raise Refused(
                "This database was begun with another key: addresses that must get nothing would not be known again, "
                "consent could not be proved, and links in mails that were sent would be void.",
                code=ANOTHER_KEY,
                fix=f"Put the old key back ({settings.key_place}), or name it last in NURTURE_OLD_SECRET_KEYS. "
                "Is it lost for good: nurture db accept-key.",
            )
        own_key.remember(conn, mark, now=settings.clock().now())


def key_mark(keys: Keys) -> str:
    """What tells one installation's ring from another's: a keyed hash by its eldest secret, which rotations keep."""
    return address_hash(keys, "own-key@nurture.invalid")


def _signers(settings: Settings) -> tuple[Signer, ...]:
    """DKIM, where a domain and a key are set; otherwise it is left to the relay."""
    found = []
    if settings.dkim_domain and settings.dkim_key_file is not None:
        found.append(load_signer(settings.dkim_domain, settings.dkim_selector, settings.dkim_key_file))
    for name, path in settings.dkim_keys.items():
        selector, between, domain = name.partition("._domainkey.")
        if not (selector and between and domain):
            raise UsageError(
                f"`{name}` names no DKIM key.", fix="Write selector._domainkey.example.com in NURTURE_DKIM_KEYS."
            )
        found.append(load_signer(domain, selector, path))
    return tuple(found)


def refresh(parts: Parts) -> bool:
    """Load what is applied now, if that has changed since it was loaded. Returns whether it had."""
    with parts.store.read() as conn:
        applied = campaigns.applied_digest(conn)
        if not applied or applied == parts.applied:
            return False
        sources = campaigns.live_sources(conn)
        live = campaigns.live_versions(conn)
        versions = {name: version.n for name, version in live.items()}
        states = {name: running.state for name, running in campaigns.running(conn).items()}
        renames = campaigns.renames(conn)
        old = _followed(conn, live)
        shelf = campaigns.template_sources(conn, {digest for v in old for digest in v.templates.values()})
    library = _held(_read(sources), states, renames)
    pinned: dict[tuple[str, int], Campaign] = {}
    copy: dict[tuple[str, int], Mapping[str, Template]] = {}
    for version in old:
        then = {
            path: text
            for name, digest in version.templates.items()
            if digest in shelf
            for path, text in shelf[digest][1].items()
        }
        reading = _read({**sources, **then, campaigns.path_of(version.campaign): version.source})
        pinned[version.campaign, version.n] = effective(
            reading.campaigns[version.campaign], library.campaigns[version.campaign]
        )
        copy[version.campaign, version.n] = reading.templates
    parts.library, parts.versions, parts.applied = library, versions, applied
    parts.pinned, parts.pinned_copy = pinned, copy
    parts.templates = {t.digest: t for shelf_of in (*copy.values(), library.templates) for t in shelf_of.values()}
    return True


def _followed(conn: Connection, live: Mapping[str, campaigns.Version]) -> list[campaigns.Version]:
    """Older versions that people inside still follow, because what runs now says `in_flight: finish`."""
    finishing = [name for name, version in live.items() if version.in_flight == "finish"]
    people = inside.followed(conn, finishing) if finishing else {}
    found = [campaigns.version(conn, name, n) for name, n in people if n != live[name].n]
    return [version for version in found if version is not None]


def _held(library: Library, states: Mapping[str, str], renames: Mapping[str, Sequence[Redirect]]) -> Library:
    """What the store knows beyond the files: a pause or a retirement stands above them, and what steps were called."""
    held = {CampaignStatus.PAUSED, CampaignStatus.RETIRED}
    known = {
        name: replace(
            c, former=former(renames.get(name, ())),
            status=CampaignStatus(states[name]) if states.get(name) in held else c.status,
        )
        for name, c in library.campaigns.items()
    }
    return replace(library, campaigns=known)


def _read(sources: Mapping[str, str]) -> Library:
    """What was applied was checked before; that it no longer reads means another version of the program."""
    reading = read_sources(sources)
    library = reading.library or reading.draft
    if library is None:
        first = next(iter(reading.problems), None)
        raise NurtureError(
            f"what is applied cannot be read by this program: {first}", fix="apply the files again with this version"
        )
    return library


def _outside(settings: Settings) -> Outside:
    return Outside(
        packets=Path(settings.var_dir) / "packets",
        webhook_secret=settings.webhook_secret.get_secret_value() if settings.webhook_secret else "",
        private_webhooks=settings.private_webhooks,
        crm={found.name: found.load()() for found in entry_points(group="nurture.crm")},
        providers=dict(settings.inbound_webhooks),
        mail_servers=exchangers if settings.mx_lookup else None,
        metrics_token=settings.metrics_token.get_secret_value() if settings.metrics_token else "",
    )
