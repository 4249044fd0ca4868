"""Chromium without a window, driven over a pipe by its own DevTools protocol: no driver, no port, no package.

A `Tab` opens a file, evaluates JavaScript, presses keys, takes pictures, and writes down every request that it makes.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WAIT = 120  # seconds for an answer; machines that run tests are slow
OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe"),
    *("--no-first-run", "--no-default-browser-check", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--disable-default-apps", "--disable-extensions", "--mute-audio"),
    *("--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND"),
)
KEYS = {"Enter": 13, "Escape": 27, "End": 35, "Home": 36, "ArrowUp": 38, "ArrowDown": 40, "Tab": 9}


def find() -> str | None:
    """The browser that RASID_CHROMIUM names, or one in the path."""
    return os.environ.get("RASID_CHROMIUM") or next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One process, with a profile of its own; to be closed."""

    def __init__(self, binary: str) -> None:
        self._profile = tempfile.mkdtemp(prefix="chromium-")
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (theirs_in, theirs_out)]
        null = os.open(os.devnull, os.O_RDWR)
        actions = [(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1, 2)]
        actions += [(os.POSIX_SPAWN_DUP2, end, number) for end, number in zip(ends, (3, 4), strict=True)]
        command = [binary, *OPTIONS, f"--user-data-dir={self._profile}", "about:blank"]
        self._process = os.posix_spawn(binary, command, os.environ, file_actions=actions, setpgroup=0)
        for end in (theirs_in, theirs_out, null, *ends):
            os.close(end)
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """The result of a DevTools method; events that come meanwhile are kept. Raises RuntimeError."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return dict(answer["result"])
            self.events.append(answer)

    def _read(self) -> dict[str, Any]:
        until = time.monotonic() + WAIT
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0.0, until - time.monotonic()))
            more = os.read(self._in, 1 << 20) if ready else b""
            if not more:
                raise RuntimeError("Chromium does not answer")
            self._buffer += more
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))

    def close(self) -> None:
        with suppress(RuntimeError, OSError):
            self.call("Browser.close")
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        for end in (self._in, self._out):
            os.close(end)
        shutil.rmtree(self._profile, ignore_errors=True)


class Tab:
    """A page of its own in a browser, `width` by `height` CSS pixels, in the light or the dark theme of the system."""

    def __init__(self, browser: Browser, page: Path, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        self._browser = browser
        self._target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = browser.call("Target.attachToTarget", targetId=self._target, flatten=True)["sessionId"]
        self._call("Page.enable")
        self._call("Runtime.enable")
        self._call("Network.enable")
        self._call("Log.enable")
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.system(dark)
        self._call("Page.navigate", url=page.resolve().as_uri())
        until = time.monotonic() + WAIT
        while self.js("document.readyState") != "complete" or self.js("location.protocol") != "file:":
            if time.monotonic() > until:
                raise RuntimeError(f"{page} does not load")
            time.sleep(0.05)

    def _call(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **params)

    def system(self, dark: bool) -> None:
        """The theme that the system asks for."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def js(self, expression: str) -> Any:
        """The value of an expression, a promise's when it is settled. Raises RuntimeError with what was thrown."""
        found = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            details = found["exceptionDetails"]
            raise RuntimeError(str(details.get("exception", {}).get("description") or details["text"]))
        return found["result"].get("value")

    def press(self, key: str, shift: bool = False) -> None:
        """One key, down and up, as a person presses it."""
        code = KEYS.get(key, ord(key.upper()) if len(key) == 1 else 0)
        params: dict[str, Any] = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        text = "\r" if key == "Enter" else key if len(key) == 1 else None
        self._call("Input.dispatchKeyEvent", type="keyDown", **params, **({"text": text} if text else {}))
        self._call("Input.dispatchKeyEvent", type="keyUp", **params)

    def picture(self, path: Path, full: bool = True) -> None:
        """A PNG of the whole page, or of what the window shows."""
        found = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=full)
        path.write_bytes(base64.b64decode(found["data"]))

    def events(self, method: str) -> list[dict[str, Any]]:
        """What has happened in this tab so far, by the name of the event."""
        self._call("Runtime.evaluate", expression="0")  # lets the events that are under way arrive
        own = (event for event in self._browser.events if event.get("sessionId") == self._session)
        return [event["params"] for event in own if event["method"] == method]

    def close(self) -> None:
        self._browser.call("Target.closeTarget", targetId=self._target)
