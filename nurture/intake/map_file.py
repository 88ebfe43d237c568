"""Reading a map: YAML text to `ImportMap`, or every mistake in it with its place."""

from __future__ import annotations

import codecs
import difflib
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, Final, cast, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from nurture.errors import UsageError
from nurture.intake.mapping import (
    BlockLine,
    ConsentLine,
    Declaration,
    EventLine,
    ImportMap,
    Kind,
    Learning,
    OutcomeLine,
    Take,
    When,
    Wording,
)
from nurture.model.problem import Place, Problem, Severity
from nurture.model.words import Channel, Purpose

LARGEST: Final = 1_000_000
REASONS: Final = ("unsubscribed", "complained", "hard_bounce", "manual", "legal", "competitor")
RESULTS: Final = ("mql", "sql", "won", "lost", "churned")
_TOP: Final = (
    "import", "source", "origin", "confidence", "encoding", "delimiter", "decimal", "zone", "unknown", "email",
    "external_id", "language", "country", "timezone", "acquired", "fields", "tags", "lists", "wordings", "consent",
    "block", "events", "outcomes", "calibrate",
)
_TAKE: Final = ("column", "constant", "type", "format", "values", "otherwise", "prefix")


class MapMistakes(UsageError):
    """Everything that is wrong with a map; `problems` are in the order of the file."""

    def __init__(self, name: str, problems: Sequence[Problem]) -> None:
        count = "one mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        super().__init__(f"{name} has {count}", fix="the language of maps is described in nurture/intake/README.md")
        self.problems = tuple(problems)


def read_map(path: Path) -> ImportMap:
    """The map in `path`. Raises MapMistakes with every mistake and its place, UsageError for no YAML at all."""
    try:
        raw = path.read_bytes()
    except OSError as wrong:
        raise UsageError(f"cannot read the map {path}: {wrong.strerror}", fix="give its path with --map") from None
    return parse_map(raw, name=str(path))


def parse_map(raw: bytes, *, name: str = "map.yaml") -> ImportMap:
    """The map in `raw`. Raises as `read_map` does."""
    if len(raw) > LARGEST:
        raise UsageError(f"{name} is {len(raw):,} bytes; a map is a page of text")
    try:
        text = raw.decode("utf-8-sig")
        yaml = YAML(typ="rt")
        yaml.version = (1, 2)
        data = yaml.load(io.StringIO(text))
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not UTF-8 text", fix="save it as UTF-8") from None
    except MarkedYAMLError as wrong:
        mark = wrong.problem_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        fix = "check indentation, colons and quotes there"
        raise UsageError(f"{where}: not YAML: {wrong.problem}", fix=fix) from None
    except (YAMLError, ValueError, RecursionError) as wrong:
        raise UsageError(f"{name}: not YAML: {str(wrong).splitlines()[0]}") from None
    reader = _Reader(name)
    found = reader.read(data)
    if reader.problems:
        raise MapMistakes(name, sorted(reader.problems))
    return replace(found, sha=hashlib.sha256(raw).hexdigest())


class _Reader:
    """Walks the document once and collects what is wrong instead of stopping at it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[Problem] = []

    def wrong(self, node: object, key: Any, message: str, fix: str = "") -> None:
        line, col = 1, 1
        try:
            where: Any = node
            position = where.lc.key(key) if isinstance(node, Mapping) else where.lc.item(key)
            line, col = position[0] + 1, position[1] + 1
        except (AttributeError, KeyError, TypeError, IndexError):
            pass
        self.problems.append(Problem(Place(self.name, line, col), Severity.ERROR, "import-map", message, fix))

    def known(self, node: Mapping[str, Any], names: Iterable[str], what: str) -> None:
        for key in node:
            if key not in names:
                near = difflib.get_close_matches(str(key), list(names), 1)
                self.wrong(node, key, f"{what} has no `{key}`", f"did you mean `{near[0]}`?" if near else "remove it")

    def read(self, data: Any) -> ImportMap:
        if not isinstance(data, Mapping):
            self.wrong(None, None, "a map begins with `import: name`")
            return ImportMap(name="")
        self.known(data, _TOP, "a map")
        if not isinstance(data.get("import"), str) or not data["import"].strip():
            self.wrong(data, "import", "`import:` is missing: what this kind of file is called", "import: fair-2026")
        if "email" not in data and "external_id" not in data:
            self.wrong(data, "import", "neither `email` nor `external_id`: nothing tells one person from another",
                       "email: <the column with the address>")
        name = str(data.get("import", ""))
        return ImportMap(
            name=name,
            source=self.take(data, "source", fixed=True) if "source" in data else Take(constant=name),
            origin=self.choice(data, "origin", ("declared", "enriched", "inferred", "sales"), "declared"),
            confidence=self.number(data, "confidence"),
            encoding=self.encoding(data),
            delimiter=self.delimiter(data),
            decimal=self.choice(data, "decimal", (".", ","), ".") if "decimal" in data else "",
            zone=self.zone(data),
            unknown=frozenset({""} | set(self.texts(data, "unknown"))),
            fields=self.fields(data),
            tags=self.texts(data, "tags"),
            lists=self.texts(data, "lists"),
            consents=tuple(self.consent(node, key, entry) for node, key, entry in self.entries(data, "consent")),
            blocks=tuple(self.block(node, key, entry) for node, key, entry in self.entries(data, "block")),
            events=tuple(self.event(entry) for _, _, entry in self.entries(data, "events")),
            outcomes=tuple(self.outcome(node, key, entry) for node, key, entry in self.entries(data, "outcomes")),
            learning=self.learning(data),
            wordings=tuple(self.wording(node, key, entry) for node, key, entry in self.entries(data, "wordings")),
            email=self.maybe(data, "email"),
            external_id=self.maybe(data, "external_id"),
            language=self.maybe(data, "language"),
            country=self.maybe(data, "country"),
            timezone=self.maybe(data, "timezone"),
            acquired=self.maybe(data, "acquired", "date"),
        )

    def maybe(self, node: Any, key: str, kind: str = "text") -> Take | None:
        return self.take(node, key, kind=kind) if key in node else None

    def take(self, node: Any, key: str, *, fixed: bool = False, kind: str = "text") -> Take:
        """`Column name`, or `{column | constant, type, format, values, otherwise, prefix}`."""
        value = node[key]
        if isinstance(value, str):
            return Take(constant=value) if fixed else Take(column=value, kind=cast(Kind, kind))
        if not isinstance(value, Mapping):
            self.wrong(node, key, f"`{key}` names a column", f"{key}: Column Name")
            return Take()
        self.known(value, _TAKE, f"`{key}`")
        if ("column" in value) == ("constant" in value):
            self.wrong(node, key, f"`{key}` needs either `column` or `constant`")
        values = value.get("values", {})
        if not isinstance(values, Mapping):
            self.wrong(value, "values", "`values` translates: `what the file says: what it means`")
            values = {}
        return Take(
            column=_text(value.get("column")),
            constant=_text(value.get("constant")),
            kind=self.choice(value, "type", get_args(Kind), kind),
            format=_text(value.get("format")),
            values={str(k): str(v) for k, v in values.items()},
            only=self.choice(value, "otherwise", ("keep", "unknown"), "keep") == "unknown",
            prefix=str(value.get("prefix", "")),
        )

    def fields(self, data: Any) -> dict[str, Take]:
        node = data.get("fields", {})
        if not isinstance(node, Mapping):
            self.wrong(data, "fields", "`fields` is a list of `our_name: Their Column`")
            return {}
        for name in node:
            if not str(name).isidentifier():
                self.wrong(node, name, f"`{name}` is no field name", "use small letters, digits and underscores")
        return {str(name): self.take(node, name) for name in node}

    def when(self, node: Mapping[str, Any]) -> When:
        found = node.get("when")
        if found is None:
            return When()
        if not isinstance(found, Mapping) or not isinstance(found.get("column"), str):
            self.wrong(node, "when", "`when` names a column and what it says", 'when: {column: "Opt in", is: "Yes"}')
            return When()
        self.known(found, ("column", "is", "one_of", "not"), "`when`")
        said = [name for name in ("is", "one_of", "not") if name in found]
        if len(said) != 1:
            self.wrong(node, "when", "`when` needs one of `is`, `one_of`, `not`")
            return When()
        value = found[said[0]]
        options = value if isinstance(value, list) else [value]
        return When(found["column"], frozenset(str(v).strip() for v in options), said[0] == "not")

    def entries(self, data: Any, key: str) -> list[tuple[Any, int, Mapping[str, Any]]]:
        node = data.get(key, [])
        if not isinstance(node, list):
            self.wrong(data, key, f"`{key}` is a list; begin each entry with a dash")
            return []
        good = []
        for position, entry in enumerate(node):
            if isinstance(entry, Mapping):
                good.append((node, position, entry))
            else:
                self.wrong(node, position, f"an entry of `{key}` is written as `key: value` lines")
        return good

    def purposes(self, node: Any, key: int, entry: Mapping[str, Any]) -> tuple[Purpose, ...]:
        texts = self.texts(entry, "purposes")
        for text in texts:
            if text not in set(Purpose):
                self.wrong(entry, "purposes", f"there is no purpose `{text}`", f"one of {', '.join(Purpose)}")
        if not entry.get("purposes"):
            self.wrong(node, key, "`purposes` is missing: nobody agrees to everything", "purposes: [nurture_email]")
        return tuple(Purpose(text) for text in texts if text in set(Purpose))

    def wording(self, node: Any, key: int, entry: Mapping[str, Any]) -> Wording:
        self.known(entry, ("id", "text", "purposes", "language"), "a wording")
        for name in ("id", "text"):
            if not entry.get(name):
                self.wrong(node, key, f"a wording needs `{name}`", _WHY["wording" if name == "id" else name])
        purposes = self.purposes(node, key, entry)
        return Wording(str(entry.get("id")), str(entry.get("text")).strip(), purposes, str(entry.get("language", "en")))

    def consent(self, node: Any, key: int, entry: Mapping[str, Any]) -> ConsentLine:
        self.known(entry, ("purposes", "channel", "when", "source", "at", "wording", "declaration"), "a consent entry")
        purposes = self.purposes(node, key, entry)
        channel = Channel(self.choice(entry, "channel", tuple(Channel), Channel.EMAIL))
        proof = [name for name in ("source", "at", "wording") if name in entry]
        if "declaration" in entry:
            if proof:
                self.wrong(node, key, "either proof per row or a declaration for the file, not both")
            return ConsentLine(purposes, channel, self.when(entry), declaration=self.declaration(entry))
        source, at, wording = self.maybe(entry, "source"), self.maybe(entry, "at", "date"), self.maybe(entry, "wording")
        for name, take in (("source", source), ("at", at), ("wording", wording)):
            if take is None or take.column is None:
                self.wrong(node, key, f"no proof: `{name}` has to come from a column of each row",
                           f"add `{name}: Column`, or a signed `declaration` for the whole file")
        return ConsentLine(purposes, channel, self.when(entry), source=source, at=at, wording=wording)

    def declaration(self, entry: Mapping[str, Any]) -> Declaration:
        names = ("wording", "text", "evidence", "source", "collected", "signed_by", "signed_on")
        node: Any = entry["declaration"]
        if not isinstance(node, Mapping):
            self.wrong(entry, "declaration", f"a declaration says {', '.join(names)}")
            node = {}
        self.known(node, (*names, "language"), "a declaration")
        for name in names:
            if not node.get(name):
                self.wrong(entry, "declaration", f"the declaration does not say `{name}`", _WHY[name])
        collected = Take(constant=str(node.get("collected")), kind="date")
        if isinstance(node.get("collected"), Mapping):
            collected = self.take(node, "collected", kind="date")
        else:
            self.day(node, "collected")
        wording, text, evidence, source, signed_by = (
            str(node.get(name) or "").strip() for name in ("wording", "text", "evidence", "source", "signed_by")
        )
        signed_on, language = self.day(node, "signed_on"), str(node.get("language", "en"))
        return Declaration(wording, text, evidence, source, collected, signed_by, signed_on, language)

    def day(self, node: Any, key: str) -> date:
        value = node.get(key)
        try:
            return value if isinstance(value, date) else date.fromisoformat(str(value))
        except ValueError:
            if value:
                self.wrong(node, key, f"`{value}` is not a day", f"{key}: 2026-11-22")
            return date(1, 1, 1)

    def block(self, node: Any, key: int, entry: Mapping[str, Any]) -> BlockLine:
        self.known(entry, ("reason", "when"), "a block entry")
        if "when" not in entry:
            self.wrong(node, key, "a block entry needs `when`: which rows must not be mailed")
        return BlockLine(self.choice(entry, "reason", REASONS, "manual"), self.when(entry))

    def event(self, entry: Mapping[str, Any]) -> EventLine:
        self.known(entry, ("kind", "when", "at", "topic", "content", "minutes"), "an event entry")
        if not isinstance(entry.get("kind"), str):
            self.wrong(entry, "kind", "an event entry needs `kind`: what happened", "kind: webinar_attended")
        return EventLine(
            str(entry.get("kind", "")),
            self.when(entry),
            at=self.maybe(entry, "at", "date"),
            topic=_text(entry.get("topic")),
            content=_text(entry.get("content")),
            minutes=self.maybe(entry, "minutes", "number"),
        )

    def outcome(self, node: Any, key: int, entry: Mapping[str, Any]) -> OutcomeLine:
        self.known(entry, ("result", "when", "at", "owner", "amount", "currency", "reason"), "an outcome entry")
        if "result" not in entry:
            self.wrong(node, key, "an outcome entry needs `result`", f"one of {', '.join(RESULTS)}")
        return OutcomeLine(
            self.choice(entry, "result", RESULTS, "won"),
            self.when(entry),
            at=self.maybe(entry, "at", "date"),
            owner=self.maybe(entry, "owner"),
            amount=self.maybe(entry, "amount", "number"),
            currency=_text(entry.get("currency")),
            reason=self.maybe(entry, "reason"),
        )

    def learning(self, data: Any) -> Learning:
        node = data.get("calibrate", {})
        if not isinstance(node, Mapping):
            self.wrong(data, "calibrate", "`calibrate` holds `never` and `leak_risk`, two lists of columns")
            return Learning()
        self.known(node, ("never", "leak_risk"), "`calibrate`")
        return Learning(self.texts(node, "never"), self.texts(node, "leak_risk"))

    def texts(self, node: Any, key: str) -> tuple[str, ...]:
        value = node.get(key, [])
        if isinstance(value, str):
            return (value,)
        if not isinstance(value, list) or not all(isinstance(item, str | int | float) for item in value):
            self.wrong(node, key, f"`{key}` is a list of texts", f"{key}: [one, two]")
            return ()
        return tuple(str(item) for item in value)

    def choice(self, node: Any, key: str, options: Iterable[str], default: str) -> Any:
        value = node.get(key, default)
        names = list(options)
        if value not in names:
            self.wrong(node, key, f"`{key}` cannot be `{value}`", f"one of {', '.join(names)}")
            return default
        return value

    def number(self, data: Any, key: str) -> float:
        value = data.get(key, 1.0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            self.wrong(data, key, f"`{key}` is a number from 0 to 1")
            return 1.0
        return float(value)

    def encoding(self, data: Any) -> str:
        value = str(data.get("encoding", "auto"))
        if value == "auto":
            return value
        try:
            codecs.lookup(value)
        except (LookupError, ValueError):
            self.wrong(data, "encoding", f"nobody knows the encoding `{value}`", "say utf-8, utf-16, cp1250 or cp1252")
            return "auto"
        return value

    def delimiter(self, data: Any) -> str:
        value = str(data.get("delimiter", "auto"))
        value = {"tab": "\t", "comma": ",", "semicolon": ";"}.get(value, value)
        if value != "auto" and len(value) != 1:
            self.wrong(data, "delimiter", "`delimiter` is one character, `tab` or `auto`")
            return "auto"
        return value

    def zone(self, data: Any) -> str:
        value = str(data.get("zone", "UTC"))
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.wrong(data, "zone", f"there is no time zone `{value}`", "zone: Europe/Warsaw")
            return "UTC"
        return value


_WHY: Final = {
    "wording": "the id of the archived wording, `newsletter-2024.v1.en`",
    "text": "the words people agreed to, in full",
    "evidence": "where the proof lies: an archive number, an address",
    "source": "where they agreed: which form, which fair",
    "collected": "the day, or {column: ...} with the moment of each row",
    "signed_by": "who vouches for it, by name",
    "signed_on": "the day of the signature",
}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
