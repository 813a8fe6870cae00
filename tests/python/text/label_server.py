"""A server on this machine that plays the labeller, well or badly."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

SECRET = "sk-very-secret-4711"


class LabelServer:
    """Plays the labeller: answers by the truth, unless a planned misbehaviour is next."""

    def __init__(self, truth: Callable[[str], dict[str, str]]) -> None:
        self.truth = truth
        self.plan: list[Callable[[BaseHTTPRequestHandler, dict], Any]] = []
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                question = json.loads(body["messages"][1]["content"])
                server.requests.append(question | {"path": self.path, "model": body["model"]})
                server.headers.append(dict(self.headers))
                step = server.plan.pop(0) if server.plan else None
                if step is None:
                    reply(self, 200, server.answer(question))
                else:
                    step(self, question)

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def answer(self, question: dict) -> str:
        entries = [
            {"id": entry["id"], **{k: v for k, v in self.truth(entry["text"]).items() if k in question["labels"]}}
            for entry in question["texts"]
        ]
        return json.dumps({"labels": entries})

    def configure(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Name it in the environment, and no proxy."""
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("RETENTION_LABELLER_URL", self.url)
        monkeypatch.setenv("RETENTION_LABELLER_MODEL", "small")
        monkeypatch.setenv("RETENTION_LABELLER_KEY", SECRET)

    def __enter__(self) -> LabelServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()


def reply(handler: BaseHTTPRequestHandler, status: int, content: str, raw: bool = False, **headers: str) -> None:
    payload = content if raw else json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]})
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(payload.encode())))
    handler.end_headers()
    handler.wfile.write(payload.encode())


def says(content: str, status: int = 200, **headers: str) -> Callable[..., None]:
    return lambda handler, _: reply(handler, status, content, raw=status != 200, **headers)
