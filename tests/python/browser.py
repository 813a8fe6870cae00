"""A headless browser that tests drive by the Chrome DevTools protocol: real keys, real clicks, real downloads."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe",
)  # fmt: skip
KEYS = {"Enter": 13, "Escape": 27, "ArrowUp": 38, "ArrowDown": 40, "Tab": 9}
LONGEST = 60  # seconds to wait for anything


class Tab:
    """One page of the browser. Messages go through pipes, each ends with a zero byte; no port is used.

    Attributes
    ----------
    complaints : list of str
        What the console said, and exceptions that nobody caught.
    requests : list of str
        Addresses that were asked for.
    """

    def __init__(self, outgoing: int, incoming: int, downloads: Path) -> None:
        self._out, self._in, self._buffer, self._number, self._session = outgoing, incoming, b"", 0, None
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.downloads = downloads
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads), eventsEnabled=True)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the browser for something, and wait for the answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            part = os.read(self._in, 1 << 20)
            assert part, "the browser has ended"
            self._buffer += part
        text, _, self._buffer = self._buffer.partition(b"\0")
        message = json.loads(text)
        known = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            details = known["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif message.get("method") == "Runtime.consoleAPICalled":
            self.complaints.append(" ".join(str(part.get("value")) for part in known["args"]))
        elif message.get("method") == "Log.entryAdded":
            self.complaints.append(known["entry"]["text"])
        elif message.get("method") == "Network.requestWillBeSent":
            self.requests.append(known["request"]["url"])
        return message

    def run(self, script: str) -> Any:
        """The value of an expression in the page; promises are waited for."""
        result = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait_for(self, script: str) -> Any:
        """Wait until an expression is true, and return it."""
        until = time.monotonic() + LONGEST
        while not (value := self.run(script)):
            assert time.monotonic() < until, f"never: {script}; {self.complaints}"
            time.sleep(0.02)
        return value

    def open(self, path: Path, ready: str = "document.readyState == 'complete'", fragment: str = "") -> None:
        """Open a file anew, and wait until it is ready."""
        self.send("Page.navigate", url="about:blank")
        self.send("Page.navigate", url=path.as_uri() + fragment)
        self.wait_for(f"location.protocol == 'file:' && {ready}")

    def resize(self, width: int, height: int = 900) -> None:
        """Change the size of the window."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def click(self, selector: str) -> None:
        """Press and release the mouse in the middle of an element, which must be what is seen there."""
        x, y, hit = self.run(
            "(async () => {"
            f"const one = document.querySelector({json.dumps(selector)}), place = () => one.getBoundingClientRect().y;"
            "let before; do {"  # until nothing scrolls any more
            "one.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'}); before = place();"
            "for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);"
            "} while (place() !== before);"
            "const box = one.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;"
            "const top = document.elementFromPoint(x, y);"
            "return [x, y, one === top || one.contains(top) || !!top?.contains(one)]; })()"
        )
        assert hit, f"{selector} is covered"
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press and release a key."""
        parameters = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS.get(key, ord(key[0].upper()))}
        if key not in KEYS:
            parameters["text"] = key
        elif key == "Enter":
            parameters["text"] = "\r"
        self.send("Input.dispatchKeyEvent", type="keyDown", **parameters)
        self.send("Input.dispatchKeyEvent", type="keyUp", **parameters)

    def type(self, text: str) -> None:
        """Type a text where the focus is."""
        self.send("Input.insertText", text=text)

    def text(self, selector: str) -> str:
        """The text that is seen of an element."""
        return self.run(f"document.querySelector({json.dumps(selector)}).innerText")

    def downloaded(self, name: str) -> Path:
        """Wait for a download, and return the file."""
        path, until = self.downloads / name, time.monotonic() + LONGEST
        while not path.is_file() or list(self.downloads.glob("*.crdownload")):
            assert time.monotonic() < until, f"{name} never came"
            self.run("1")  # reads what the browser has to say
            time.sleep(0.05)
        return path


@contextmanager
def browser(folder: Path) -> Iterator[Tab]:
    """Start a browser with a profile of its own in ``folder``, and end it."""
    downloads = folder / "downloads"
    downloads.mkdir(parents=True)
    to_browser, outgoing = os.pipe()
    incoming, from_browser = os.pipe()

    def connect_pipes() -> None:  # the browser reads 3 and writes 4
        first, second = os.dup(to_browser), os.dup(from_browser)
        os.dup2(first, 3)
        os.dup2(second, 4)

    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}"],
            preexec_fn=connect_pipes, close_fds=False, stdout=log, stderr=log,
        )  # fmt: skip
    os.close(to_browser)
    os.close(from_browser)
    try:
        yield Tab(outgoing, incoming, downloads)
    finally:
        os.close(outgoing)
        os.close(incoming)
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
