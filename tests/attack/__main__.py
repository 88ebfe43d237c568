"""schemathesis, wapiti and sqlmap against the running app on a loopback address, each within its time.

    python -m tests.attack [--seconds 120] [--only schemathesis,wapiti,sqlmap,home]

What is not installed is said and left out; `home` is our own attack and needs nothing: every route, hostile words in
every place. Ends with 1 when anything was found. The scanners are not dependencies of the project: put them on PATH.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.attack.house import House, open_house


@dataclass(frozen=True)
class Result:
    tool: str
    ran: bool
    findings: tuple[str, ...]
    said: str


def main(argv: Sequence[str] | None = None) -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.attack")
    asked.add_argument("--seconds", type=int, default=120, help="for each tool")
    asked.add_argument("--only", default="", help="names of tools, with commas")
    options = asked.parse_args(argv)
    only = set(filter(None, options.only.split(",")))
    results = []
    with open_house() as house, tempfile.TemporaryDirectory() as folder:
        for name, attack in ATTACKS.items():
            if only and name not in only:
                continue
            print(f"== {name}", flush=True)
            result = attack(house, Path(folder), options.seconds)
            results.append(result)
            print(f"   {result.said}", flush=True)
            for found in result.findings:
                print(f"   FOUND: {found}", flush=True)
        broken = house.broken()
    for line in broken:
        print(f"   FOUND: {line}")
    ran = [r for r in results if r.ran]
    print(f"{len(ran)} of {len(results)} tools ran, {sum(len(r.findings) for r in results) + len(broken)} findings")
    return 1 if broken or any(r.findings for r in results) or not ran else 0


def _run(command: Sequence[str], seconds: int) -> tuple[int, str]:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 20, check=False)
    except subprocess.TimeoutExpired as late:
        said = late.stdout or b""
        return 0, said.decode(errors="replace") if isinstance(said, bytes) else said
    return done.returncode, done.stdout + done.stderr


def _absent(tool: str) -> Result:
    return Result(tool, False, (), f"{tool} is not on PATH: left out")


def schemathesis(house: House, folder: Path, seconds: int) -> Result:
    """Property tests made from our OpenAPI: no 500, and answers as declared."""
    tool = shutil.which("schemathesis") or shutil.which("st")
    if tool is None:
        return _absent("schemathesis")
    command = [
        tool,
        "run",
        f"{house.url}/api/openapi.json",
        "--header",
        f"Authorization: Bearer {house.token}",
        "--checks",
        "not_a_server_error",
        "--max-time",
        str(seconds),
        "--workers",
        "2",
        "--suppress-health-check",
        "all",
    ]
    code, said = _run(command, seconds)
    if "No such option" in said and "--max-time" in said:
        code, said = _run([c for c in command if c not in ("--max-time", str(seconds))], seconds)
    found = tuple(line.strip() for line in said.splitlines() if "Server error" in line or "Network Error" in line)
    tail = [line.strip() for line in said.splitlines() if "passed" in line or "generated" in line]
    return Result("schemathesis", True, found, tail[-1] if tail else f"ended with {code}: {said.strip()[-200:]}")


def wapiti(house: House, folder: Path, seconds: int) -> Result:
    """Crawl from the pages a lead and a seller see, and try what crawlers try.

    Not its module `ssrf`, which asks a host on the internet, and not `csrf`, which wants a token in every form, also
    where there is no session to ride on (public forms carry no cookie). Forms behind a session are tried in
    `tests/web/test_staff.py` and `test_decisions.py`.
    """
    tool = shutil.which("wapiti")
    if tool is None:
        return _absent("wapiti")
    report = folder / "wapiti.json"
    command = [
        tool,
        "-u",
        f"{house.url}/forms/guide",
        "--scope",
        "domain",
        "-f",
        "json",
        "-o",
        str(report),
        "--flush-session",
        "-m",
        "redirect,xss,permanentxss,sql,timesql,exec,file,crlf",
        "--max-scan-time",
        str(seconds),
        "--max-attack-time",
        str(max(10, seconds // 8)),
        "--no-bugreport",
        "--store-session",
        str(folder),
        "-H",
        f"Cookie: nurture_session={house.session}",
    ]
    for path in house.paths:
        command += ["-s", house.url + path]
    _, said = _run(command, seconds + 80)
    if not report.exists():
        return Result("wapiti", False, (), f"made no report: {said.strip()[-300:]}")
    told = json.loads(report.read_text())
    found = tuple(
        f"{kind}: {one.get('method')} {one.get('path')} {one.get('info')}"
        for kind, several in told["vulnerabilities"].items()
        for one in several
    )
    return Result("wapiti", True, found, f"crawled {told.get('infos', {}).get('crawled_pages_nbr', '?')} pages")


def sqlmap(house: House, folder: Path, seconds: int) -> Result:
    """Injection into every parameter that reaches a query."""
    tool = shutil.which("sqlmap")
    if tool is None:
        return _absent("sqlmap")
    found = []
    for target, data in house.parameters:
        command = [
            tool,
            "-u",
            house.url + target,
            "--batch",
            "--level",
            "2",
            "--risk",
            "2",
            "--output-dir",
            str(folder),
            "--cookie",
            f"nurture_session={house.session}",
            "--threads",
            "2",
            "--timeout",
            "10",
            "--retries",
            "0",
            "--disable-coloring",
            "--ignore-code",
            "*",
            *(["--data", data] if data else []),
        ]
        _, said = _run(command, seconds // max(1, len(house.parameters)))
        found += [
            f"{target}: {line.strip()}"
            for line in said.splitlines()
            if "is vulnerable" in line or "injectable" in line and "not" not in line and "might" not in line
        ]
    return Result("sqlmap", True, tuple(found), f"{len(house.parameters)} targets tried")


def home(house: House, folder: Path, seconds: int) -> Result:
    """Our own: every route of the app with hostile words in every place, signed in and not."""
    tried, found = house.fuzz(seconds)
    return Result(
        "home", True, tuple(found), f"{tried} requests, no server error" if not found else f"{tried} requests"
    )


ATTACKS: dict[str, Callable[[House, Path, int], Result]] = {
    "home": home,
    "schemathesis": schemathesis,
    "wapiti": wapiti,
    "sqlmap": sqlmap,
}

if __name__ == "__main__":
    sys.exit(main())
