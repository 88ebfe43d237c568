"""How one installation runs: `NURTURE_...` variables, then `nurture.toml`, then the defaults.

The second (and last) place that reads the environment. What is read here is passed down as values.
"""

from __future__ import annotations

import difflib
import os
import secrets
import tomllib
from datetime import datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from nurture.clock import Clock, FixedClock, SystemClock, aware
from nurture.errors import NurtureError, UsageError

SHORTEST_SECRET = 32
"""Characters. Below this a token could be forged by trying."""


class Settings(BaseSettings):
    """Every setting with its default; the defaults run one machine with nothing set up beforehand."""

    model_config = SettingsConfigDict(env_prefix="NURTURE_", toml_file="nurture.toml", extra="ignore", frozen=True)

    mode: Literal["embedded", "server"] = "embedded"
    """`embedded`: one machine, `nurture up` is the clock. `server`: a Prefect server and workers."""
    database_url: str = Field(default="sqlite:///var/nurture.db", repr=False)
    database_sync: Literal["normal", "full"] = "normal"
    """SQLite only. `normal` survives any crash of programs; a power cut may take back the last commits, and with them
    what was noted of mails of that moment. `full` waits for the disk at every commit."""
    campaigns_dir: Path = Path("campaigns")
    templates_dir: Path = Path("templates")
    var_dir: Path = Path("var")
    """What this installation writes: database, key, logs, Prefect's own files."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65535)
    trusted_proxies: str = "127.0.0.1"
    """Whose `X-Forwarded-For` says where a visitor comes from: addresses or networks of your proxies, with commas
    between. What anybody else says about themselves is not believed."""
    public_url: str = ""
    """What links in mails begin with. Empty: http://host:port, good for one machine and nothing else."""

    secret_key: SecretStr | None = None
    """Signs every token. Embedded: made once in `var/secret.key`. Server: has to be set."""
    old_secret_keys: tuple[SecretStr, ...] = ()
    """Keys that still verify and sign no more, newest first (JSON list)."""

    webhook_secret: SecretStr | None = None
    """Signs webhooks that leave and verifies those that come in (`whsec_...`, Standard Webhooks)."""
    old_webhook_secrets: tuple[SecretStr, ...] = ()
    """Secrets that still verify what comes in, while callers move to the new one (JSON list)."""
    private_webhooks: bool = False
    """Allow webhooks into private networks."""

    smtp_url: str = Field(default="smtp://127.0.0.1:2525", repr=False)
    """`smtp://`, `smtps://` or `smtp+starttls://user:password@host:port`."""
    smtp_routes: dict[str, str] = Field(default_factory=dict, repr=False)
    """Further routes that a campaign's `route:` may name (JSON object, name -> address)."""
    inbound: str = Field(default="", repr=False)
    """Where bounces and replies arrive, one or more with spaces between: `maildir:PATH`,
    `imaps://user:password@host/FOLDER` (or `imap+starttls://`; `?move=FOLDER`, `?days=14`), `lmtp://127.0.0.1:8024`,
    `smtp://127.0.0.1:8025`. Empty: nowhere."""
    inbound_webhooks: dict[str, str] = Field(default_factory=dict, repr=False)
    """Providers that may report at `/inbound/NAME` (JSON object): `ses` -> the topic's ARN, `sendgrid` -> the public
    key, `postmark` -> `user:password` as they stand in its address, `mailgun` -> the signing key."""
    dkim_domain: str = ""
    dkim_selector: str = "nurture"
    dkim_key_file: Path | None = None
    dkim_keys: dict[str, Path] = Field(default_factory=dict)
    """Further keys, such as an Ed25519 one beside RSA or another From domain's (JSON object,
    `selector._domainkey.example.com` -> PEM file)."""

    oidc_issuer: str = ""
    """Sign in with the company's own accounts: the address of its OpenID provider. Empty: passwords and links only."""
    oidc_client_id: str = ""
    oidc_client_secret: SecretStr = SecretStr("")

    metrics_token: SecretStr | None = None
    """Opens `/metrics` (Prometheus text) to whoever sends it as `Authorization: Bearer`. Empty: no such page."""
    mx_lookup: bool = True
    """Ask name servers, aside from sending, whose servers take a domain's mail: limits then hold per provider."""

    prefect: bool = True
    """`off` runs the same functions without Prefect."""
    prefect_port: int = Field(default=4200, ge=0, le=65535)
    tick_seconds: float = Field(default=5.0, gt=0)
    """How often `nurture up` asks what is due."""
    batch: int = Field(default=1000, gt=0)
    """Rows a stage takes at once."""
    now: datetime | None = None
    """Fix the clock (`NURTURE_NOW=2027-01-04T09:00:00Z`), to ask what would be due then."""

    @field_validator("database_url")
    @classmethod
    def _kept(cls, value: str) -> str:
        kind, _, rest = value.partition("://")
        if kind.partition("+")[0] == "sqlite" and rest.partition("?")[0] in ("", "/", "/:memory:"):
            raise ValueError("names no file, and a database in memory forgets everything: sqlite:///var/nurture.db")
        return f"postgresql://{rest}" if kind == "postgres" else value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        for one in filter(None, map(str.strip, value.split(","))):
            if one == "*":
                raise ValueError("`*` would believe anybody's word on where they come from; name the proxies")
            ip_network(one, strict=False)
        return value

    @field_validator("now")
    @classmethod
    def _aware(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("has no offset; write it as 2027-01-04T09:00:00Z")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls))

    @property
    def url(self) -> str:
        """What links begin with, without a slash at the end."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def mailbox_dir(self) -> Path:
        """Where the demo's mail server keeps what it was sent."""
        return self.var_dir / "mail"

    @property
    def prefect_home(self) -> Path:
        return (self.var_dir / "prefect").absolute()

    def clock(self, latest: datetime | None = None) -> Clock:
        return SystemClock(latest) if self.now is None else FixedClock(aware(self.now))

    def webhook_secrets(self) -> tuple[str, ...]:
        """What may sign calls to us, newest first; empty: the installation's own secret."""
        first = () if self.webhook_secret is None else (self.webhook_secret,)
        return tuple(secret.get_secret_value() for secret in (*first, *self.old_webhook_secrets))

    @property
    def key_place(self) -> str:
        """Where the signing key comes from, in words."""
        return "NURTURE_SECRET_KEY" if self.secret_key is not None else str(self.var_dir / "secret.key")

    def secrets(self) -> tuple[str, ...]:
        """The signing secrets, newest first. Makes the embedded mode's own key on first use.

        Raises UsageError in server mode without a key of at least 32 characters.
        """
        old = tuple(key.get_secret_value() for key in self.old_secret_keys)
        if self.secret_key is not None:
            current = self.secret_key.get_secret_value()
            if len(current) < SHORTEST_SECRET:
                raise UsageError(f"NURTURE_SECRET_KEY is shorter than {SHORTEST_SECRET} characters.", fix=_HOW_TO_KEY)
            return (current, *old)
        if self.mode == "server":
            raise UsageError(
                "NURTURE_SECRET_KEY is not set, and in server mode every process needs the same one.", fix=_HOW_TO_KEY
            )
        return (own_key(self.var_dir / "secret.key"), *old)


_HOW_TO_KEY = "python -c 'import secrets; print(secrets.token_urlsafe(48))' prints a good one."


def load_settings(**overrides: Any) -> Settings:
    """The settings of this process. Raises UsageError naming the variable for a value that cannot be used."""
    try:
        _check_names(Path("nurture.toml"))
        return Settings(**overrides)
    except ValidationError as error:
        lines = [
            f"NURTURE_{'_'.join(str(p) for p in e['loc']).upper()}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        ]
        raise UsageError(
            "The settings cannot be used:\n  " + "\n  ".join(lines), fix="Change or unset the variable."
        ) from None
    except (ValueError, OSError) as error:
        raise UsageError(
            f"The settings cannot be read: {error}", fix="Look at nurture.toml and the NURTURE_ variables."
        ) from None


def _check_names(path: Path) -> None:
    """Raises UsageError for a setting in `nurture.toml` that nobody reads: a default would quietly stand in."""
    if not path.is_file():
        return
    strange = [name for name in tomllib.loads(path.read_text(encoding="utf-8")) if name not in Settings.model_fields]
    if strange:
        raise UsageError(
            f"nurture.toml: there is no setting `{strange[0]}`.",
            fix=_near(strange[0]) or "Settings stand at the top, without a [section]: port = 8000",
        )


def strange_variables() -> list[str]:
    """A sentence for each NURTURE_ variable that names no setting: a typing error, most likely."""
    known = {f"NURTURE_{name.upper()}" for name in Settings.model_fields} | {"NURTURE_SELLER", "NURTURE_TEST_ALL"}
    strange = [name for name in sorted(os.environ) if name.startswith("NURTURE_") and name.upper() not in known]
    near = {name: _near(name.removeprefix("NURTURE_").lower(), "NURTURE_") for name in strange}
    return [f"{name} is no setting and changes nothing. {fix}".strip() for name, fix in near.items()]


def _near(name: str, prefix: str = "") -> str:
    near = difflib.get_close_matches(name, Settings.model_fields, 1)
    return f"Did you mean {prefix}{near[0].upper() if prefix else near[0]}?" if near else ""


def own_key(path: Path) -> str:
    """The installation's own key, made on first use, readable by its owner only."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = secrets.token_urlsafe(48)
        spare = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        if not path.exists():
            with os.fdopen(os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(fresh + "\n")
            # A link fails where the name is taken: of two processes that start together one key wins, whole.
            try:
                os.link(spare, path)
            except FileExistsError:
                pass
            finally:
                spare.unlink()
        key = path.read_text().strip()
    except OSError as error:
        raise NurtureError(
            f"The key file {path} cannot be written or read: {error.strerror}.",
            fix="Set NURTURE_SECRET_KEY or mend the folder.",
        ) from None
    if len(key) < SHORTEST_SECRET:
        raise NurtureError(
            f"The key file {path} is cut short.",
            fix="Put the key back from your backup; a new key makes links in sent mails void.",
        )
    return key
