"""Log files that only this account reads and that end: the newest lines, and a few files before them."""

from __future__ import annotations

import io
import logging
import os
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

LARGEST = 5_000_000
KEPT = 3


class PrivateLog(RotatingFileHandler):
    """One file of at most `largest` bytes and `kept` older ones, all readable by this account alone."""

    def __init__(self, path: Path, largest: int = LARGEST, kept: int = KEPT) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path, maxBytes=largest, backupCount=kept, encoding="utf-8", errors="replace")

    def _open(self) -> io.TextIOWrapper:
        made = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.fchmod(made, 0o600)
        return io.TextIOWrapper(io.FileIO(made, "a"), encoding="utf-8", errors="replace", line_buffering=True)

    def handleError(self, record: logging.LogRecord) -> None:
        """A log that cannot be written (a full disk) must not stop the work it tells about."""


def drain(source: IO[bytes], path: Path) -> None:
    """Write what a child says into such a log, line by line, in a thread that ends with the child."""

    def copy() -> None:
        log = PrivateLog(path)
        with source:
            for line in source:
                text = line.decode("utf-8", "replace").rstrip()
                log.handle(logging.LogRecord("prefect", logging.INFO, "", 0, text, None, None))
        log.close()

    threading.Thread(target=copy, name="prefect-log", daemon=True).start()
