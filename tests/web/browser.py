"""A real Chromium, spoken to over its own protocol: just enough to look at a page as a person's browser does."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--remote-debugging-port=0",
)


def program() -> str | None:
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One tab. `errors` collects what the console and the page complained about, `dialogs` every pop-up."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.ids = itertools.count(1)
        self.errors: list[str] = []
        self.dialogs: list[str] = []
        self.loaded = False
        self.width = 0
        for domain in ("Page", "Runtime", "Log", "Accessibility", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self.ids)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv(timeout=60))
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return dict(message["result"])
            self._heard(message)

    def _heard(self, message: dict[str, Any]) -> None:
        told = message.get("params", {})
        match message.get("method"):
            case "Page.loadEventFired":
                self.loaded = True
            case "Runtime.exceptionThrown":
                self.errors.append(str(told["exceptionDetails"].get("text")))
            case "Log.entryAdded" if told["entry"]["level"] == "error":
                self.errors.append(told["entry"]["text"])
            case "Page.javascriptDialogOpening":
                self.dialogs.append(told["message"])
                number = next(self.ids)
                self.socket.send(
                    json.dumps({"id": number, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}})
                )

    def shape(self, width: int, height: int, *, dark: bool) -> None:
        self.width = width
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def go(self, url: str) -> None:
        self.loaded = False
        self.call("Page.navigate", url=url)
        until = time.monotonic() + 30
        while not self.loaded:
            assert time.monotonic() < until, f"{url} did not load"
            self.evaluate("1")

    def evaluate(self, expression: str) -> Any:
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def nameless_controls(self) -> list[str]:
        """Controls that a screen reader could not name."""
        roles = {"button", "link", "checkbox", "textbox", "combobox", "spinbutton", "searchbox", "Date"}
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            f"{n['role']['value']} {n.get('nodeId')}"
            for n in nodes
            if not n.get("ignored")
            and n.get("role", {}).get("value") in roles
            and not n.get("name", {}).get("value", "").strip()
        ]

    def cookie(self, name: str, value: str, url: str) -> None:
        self.call("Network.setCookie", name=name, value=value, url=url)


@contextmanager
def open_browser() -> Iterator[Browser]:
    found = program()
    assert found is not None
    # The browser's own children may still write for a moment after it ended; its folder is not worth a failure.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        running = subprocess.Popen(
            [found, *FLAGS, f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            port_file = Path(folder) / "DevToolsActivePort"
            until = time.monotonic() + 60
            while not port_file.exists() or not port_file.read_text().strip():
                assert time.monotonic() < until, "Chromium did not start"
                time.sleep(0.1)
            port = port_file.read_text().split()[0]
            with connect(_page(port), max_size=None, open_timeout=30) as socket:
                yield Browser(socket)
        finally:
            running.terminate()
            running.wait(20)


def _page(port: str) -> str:
    import httpx

    for _ in range(50):
        for target in httpx.get(f"http://127.0.0.1:{port}/json/list", timeout=30).json():
            if target["type"] == "page":
                return str(target["webSocketDebuggerUrl"])
        time.sleep(0.1)
    raise AssertionError("Chromium shows no page")
