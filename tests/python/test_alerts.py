"""Alerts: once per breach, to every sink, and none is lost when a sink fails; against servers of this machine."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import duckdb
import pytest
import yaml

from python_ml.monitor.alerts import raise_alerts
from python_ml.monitor.breach import Breach
from python_ml.monitor.sinks import DeliveryError, EmailSink, WebhookSink, configured_sinks, signature
from python_ml.project import Project
from python_ml.settings.alerts import Alerts, Email, Webhook

SINCE = datetime(2024, 3, 1)
DRIFT = Breach("drift", "`plan` drifted: new: jane@example.com", SINCE, "feature plan", "`plan` drifted: 1 new value")
WORSE = Breach("performance", "worse", SINCE, "realised performance", "the model has become worse")
ALERT = {
    "alert_number": 1,
    "part": "drift",
    "message": "`plan` drifted — «x»\r\nBcc: all@example.com",
    "status": "open",
}


class WebServer:
    """Answers with some status codes, one after the other, and keeps what it got."""

    def __init__(self, *answers: int, headers: dict[str, str] | None = None) -> None:
        self.answers, self.headers, self.got = list(answers), headers or {}, []

    @contextmanager
    def running(self) -> Iterator[str]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.path, dict(self.headers), body))
                answer = outer.answers.pop(0) if outer.answers else 204
                if answer:
                    self.send_response(answer)
                    for name, value in outer.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/hooks/retention"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class MailServer:
    """As much of SMTP as a sender needs."""

    def __init__(self, refuse: str | None = None) -> None:
        self.refuse, self.got = refuse, []

    @contextmanager
    def running(self) -> Iterator[int]:
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            timeout = 10

            def handle(self) -> None:
                self.answer("220 here")
                to = []
                while line := self.rfile.readline().decode().strip():
                    verb = line.upper().split(" ")[0].split(":")[0]
                    if verb == outer.refuse:
                        self.answer("550 jane@example.com is not known")
                    elif verb == "DATA":
                        self.answer("354 go on")
                        body = b""
                        while (part := self.rfile.readline()) != b".\r\n":
                            body += part
                        outer.got.append((to, body))
                        self.answer("250 kept")
                    elif verb == "QUIT":
                        self.answer("221 bye")
                        return
                    else:
                        to += [line] if verb == "RCPT" else []
                        self.answer("250 fine")

            def answer(self, line: str) -> None:
                self.wfile.write(f"{line}\r\n".encode())

        server = socketserver.TCPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def email_to(port: int, **more: object) -> EmailSink:
    settings = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "retention@example.com"}
    return EmailSink(Email.model_validate({**settings, "recipients": ["a@example.com", "b@example.com"], **more}))


# Webhook -------------------------------------------------------------------------------------------------


def test_a_webhook_gets_json_with_a_signature(monkeypatch):
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    server = WebServer()
    with server.running() as url:
        WebhookSink(Webhook(url=url, secret_variable="HOOK_SECRET")).send("shop", [ALERT])
    [(path, headers, body)] = server.got
    assert path == "/hooks/retention"
    assert json.loads(body) == {"project": "shop", "alerts": [ALERT]}
    sent = headers["X-Retention-Signature"]
    moment = int(sent.split(",")[0].removeprefix("t="))
    mac = hmac.new(b"s3cret", f"{moment}.".encode() + body, hashlib.sha256).hexdigest()  # as a receiver does it
    assert sent == f"t={moment},v1={mac}" == signature("s3cret", moment, body)
    assert signature("s3cret", moment, body + b" ") != sent != signature("other", moment, body)


def test_a_webhook_is_tried_again_with_pauses_that_double():
    pauses: list[float] = []
    server = WebServer(503, 429, 200)
    with server.running() as url:
        WebhookSink(Webhook(url=url, backoff_seconds=2), sleep=pauses.append).send("shop", [ALERT])
    assert (len(server.got), pauses) == (3, [2, 4])
    assert len({body for _, _, body in server.got}) == 1


@pytest.mark.parametrize(
    ("answers", "attempts", "says"),
    [((503,) * 3, 3, "the server answered 503 (3 attempts)"), ((404,), 1, "answered 404"), ((302,), 1, "answered 302")],
)
def test_a_webhook_gives_up(answers, attempts, says):
    server = WebServer(*answers, headers={"Location": "http://127.0.0.1:1/elsewhere"})
    sink = Webhook(attempts=3, url="http://x")
    with server.running() as url, pytest.raises(DeliveryError) as error:
        WebhookSink(sink.model_copy(update={"url": url}), sleep=lambda _: None).send("shop", [ALERT])
    assert says in str(error.value)
    assert len(server.got) == attempts


def test_a_server_that_is_silent_or_gone_is_no_crash(monkeypatch):
    silent = WebServer(0)
    with silent.running() as url, pytest.raises(DeliveryError, match="could not be reached"):
        WebhookSink(Webhook(url=url, attempts=1)).send("shop", [ALERT])
    with pytest.raises(DeliveryError, match="could not be reached: ConnectionRefusedError") as error:
        monkeypatch.setenv("HOOK", f"{url}?token=s3cret")  # the server is gone
        WebhookSink(Webhook(url_variable="HOOK", attempts=1)).send("shop", [ALERT])
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize(("value", "says"), [(None, "HOOK is not set"), ("file:///etc/passwd", "not an HTTP address")])
def test_an_address_from_the_environment_is_checked(monkeypatch, value, says):
    monkeypatch.delenv("HOOK", raising=False)
    if value:
        monkeypatch.setenv("HOOK", value)
    with pytest.raises(DeliveryError, match=says):
        WebhookSink(Webhook(url_variable="HOOK")).send("shop", [ALERT])


def test_a_server_that_does_not_answer_in_time_is_given_up():
    class Deaf(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            released.wait(10)

    released = threading.Event()
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Deaf) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_address[1]}/"
            with pytest.raises(DeliveryError, match="TimeoutError"):
                WebhookSink(Webhook(url=url, attempts=1, timeout_seconds=0.2)).send("shop", [ALERT])
            with pytest.raises(DeliveryError, match="did not take the message"):
                email_to(server.server_address[1], timeout_seconds=0.2).send("shop", [ALERT])
        finally:
            released.set()
            server.shutdown()
            thread.join()


# E-mail --------------------------------------------------------------------------------------------------


def test_an_email_is_one_plain_text():
    server = MailServer()
    with server.running() as port:
        email_to(port).send("shop", [ALERT, {**ALERT, "alert_number": 2}])
    [(recipients, body)] = server.got
    message = message_from_bytes(body, policy=policy.default)
    assert [line.split("<")[1].split(">")[0] for line in recipients] == ["a@example.com", "b@example.com"]
    assert message["Subject"] == "shop: 2 alerts of retention monitor"
    assert message["Bcc"] is None
    assert message.get_content_type() == "text/plain"
    assert "1. [drift] `plan` drifted — «x»" in message.get_content()


@pytest.mark.parametrize("verb", ["MAIL", "DATA", "RCPT"])
def test_a_mail_server_that_refuses_is_an_error_without_addresses(verb):
    server = MailServer(refuse=verb)
    with server.running() as port, pytest.raises(DeliveryError) as error:
        email_to(port).send("shop", [ALERT])
    assert "@" not in str(error.value)


def test_a_mail_server_without_encryption_gets_no_password(monkeypatch):
    monkeypatch.setenv("MAIL_USER", "me")
    monkeypatch.setenv("MAIL_PASSWORD", "s3cret")
    server = MailServer()
    secure = {"security": "starttls", "user_variable": "MAIL_USER", "password_variable": "MAIL_PASSWORD"}
    with server.running() as port, pytest.raises(DeliveryError, match="SMTPNotSupportedError"):
        email_to(port, **secure).send("shop", [ALERT])
    assert server.got == []
    with pytest.raises(ValueError, match="a password needs"):
        email_to(1, **{**secure, "security": "none"})


@pytest.mark.parametrize(
    "settings",
    [
        {"webhook": {}},
        {"webhook": {"url": "http://x/", "url_variable": "X"}},
        {"webhook": {"url": "ftp://x/"}},
        {"webhook": {"url": "https://user:password@x/"}},
        {"webhook": {"url_variable": "not a name"}},
        {"email": {"host": "x", "sender": "a@x\nBcc: b@x", "recipients": ["a@x"]}},
        {"email": {"host": "x", "sender": "a@x", "recipients": []}},
        {"email": {"host": "x", "sender": "a@x", "recipients": ["a@x"], "password": "secret"}},
    ],
)
def test_mistaken_settings_are_refused(settings):
    with pytest.raises(ValueError):
        Alerts.model_validate(settings)


# Alerts --------------------------------------------------------------------------------------------------


class Recorder:
    """A sink that takes alerts, or fails."""

    def __init__(self, name: str, *, fails: bool = False) -> None:
        self.name, self.fails, self.got = name, fails, []

    def send(self, project, alerts) -> None:
        if self.fails:
            raise DeliveryError("out of order")
        self.got.append([(alert["alert_number"], alert["subject"], alert["status"]) for alert in alerts])


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "dbt_project.yml").write_text(yaml.safe_dump({"name": "shop", "vars": {"entity": "id"}}))
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create schema gold")
    return Project.open(tmp_path)


def table(project: Project) -> list[tuple]:
    with duckdb.connect(str(project.warehouse_path), read_only=True) as connection:
        return connection.execute(
            "select alert_number, subject, status, delivered_to, undelivered_to from gold.gld_alerts order by 1"
        ).fetchall()


def test_a_breach_is_one_alert_and_sent_once(project, caplog):
    sink = Recorder("webhook")
    with caplog.at_level(logging.INFO, "python_ml.monitor.alerts"):
        opened, notes = raise_alerts(project, [DRIFT], 1, [sink])
        raise_alerts(project, [DRIFT], 1, [sink])
        raise_alerts(project, [DRIFT, WORSE], 1, [sink])
    assert sink.got == [[(1, "feature plan", "open")], [(2, "realised performance", "open")]]
    assert (len(opened), notes) == (1, [])
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "jane" not in json.dumps(opened) + caplog.text
    written = json.loads((project.reports_dir / "alerts.json").read_text())
    assert [alert["message"] for alert in written["alerts"]] == [DRIFT.message, WORSE.message]
    raise_alerts(project, [], 1, [sink])
    assert [(status, sent) for _, _, status, sent, _ in table(project)] == [("resolved", '["webhook"]')] * 2
    raise_alerts(project, [DRIFT], 1, [sink])  # again, after it was over
    raise_alerts(project, [DRIFT], 2, [sink])  # another model
    assert sink.got[2:] == [[(3, "feature plan", "open")], [(4, "feature plan", "open")]]
    assert [row[2] for row in table(project)] == ["resolved", "resolved", "resolved", "open"]


def test_a_sink_that_fails_loses_nothing_and_stops_no_other(project):
    broken, works = Recorder("webhook", fails=True), Recorder("email")
    _, notes = raise_alerts(project, [DRIFT], 1, [broken, works])
    assert notes == ["Alerts were not sent by webhook, the next run tries again: out of order"]
    assert len(works.got) == 1
    [(*_, delivered, undelivered)] = table(project)
    assert (delivered, json.loads(undelivered)) == ('["email"]', {"webhook": "out of order"})
    assert json.loads((project.reports_dir / "alerts.json").read_text())["not_sent"] == notes
    broken.fails = False
    raise_alerts(project, [], 1, [broken, works])  # over by now, but to be told
    assert broken.got == [[(1, "feature plan", "resolved")]]
    assert len(works.got) == 1
    assert json.loads(table(project)[0][4]) == {}
    late = Recorder("other")
    raise_alerts(project, [], 1, [broken, late])
    assert late.got == []  # what is over is no news
    assert len(broken.got) == 1


def test_without_sinks_alerts_are_rows(project):
    assert configured_sinks(project.settings.monitor.alerts) == []
    raise_alerts(project, [DRIFT, WORSE], 1)
    assert [row[1] for row in table(project)] == ["feature plan", "realised performance"]


def test_the_sinks_of_the_settings_are_used(project, monkeypatch):
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    web, mail = WebServer(), MailServer()
    with web.running() as url, mail.running() as port:
        sinks = {
            "webhook": {"url": url, "secret_variable": "HOOK_SECRET"},
            "email": {"host": "127.0.0.1", "port": port, "security": "none", "sender": "r@x", "recipients": ["a@x"]},
        }
        (project.root / "retention.yml").write_text(yaml.safe_dump({"monitor": {"alerts": sinks}}))
        project = Project.open(project.root)
        assert raise_alerts(project, [DRIFT], 1)[1] == []
        raise_alerts(project, [DRIFT], 1)
    assert (len(web.got), len(mail.got)) == (1, 1)
    assert b"jane" not in web.got[0][2] + mail.got[0][1]
