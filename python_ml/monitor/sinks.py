"""Where alerts are sent: an HTTP POST with a signature, and an e-mail. A sink delivers, or says why it could not."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from python_ml.formatting import counted

if TYPE_CHECKING:
    from python_ml.settings.alerts import Alerts, Email, Webhook

SIGNATURE = "X-Retention-Signature"
WORTH_RETRYING = (408, 425, 429, 500, 502, 503, 504)


class DeliveryError(Exception):
    """A sink did not take the alerts; the text has no secrets."""


class Sink(Protocol):
    """Something that takes alerts."""

    name: str

    def send(self, project: str, alerts: Sequence[Mapping[str, Any]]) -> None:
        """Deliver all of them, or raise :class:`DeliveryError`."""


def configured_sinks(settings: Alerts) -> list[Sink]:
    """The sinks of ``retention.yml``."""
    found: list[Sink] = []
    if settings.webhook:
        found.append(WebhookSink(settings.webhook))
    if settings.email:
        found.append(EmailSink(settings.email))
    return found


def signature(secret: str, moment: int, body: bytes) -> str:
    """Value of the header ``X-Retention-Signature``.

    Parameters
    ----------
    secret : str
    moment : int
        Seconds since 1970; a receiver that refuses old ones is safe from replays.
    body : bytes
        As sent.

    Returns
    -------
    str
        ``t=MOMENT,v1=HEX``: HMAC-SHA256 of ``MOMENT.BODY``.
    """
    mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return f"t={moment},v1={mac.hexdigest()}"


@dataclass(frozen=True)
class WebhookSink:
    """Posts ``{"project", "alerts"}`` as JSON; redirects are not followed.

    A server that does not answer, or answers 408, 425, 429 or 5xx, is asked again after a pause that doubles.
    """

    settings: Webhook
    sleep: Callable[[float], None] = time.sleep
    name: str = "webhook"

    def send(self, project: str, alerts: Sequence[Mapping[str, Any]]) -> None:
        """See :class:`Sink`."""
        body = json.dumps({"project": project, "alerts": list(alerts)}, ensure_ascii=False).encode()
        url = self.settings.url or _secret(self.settings.url_variable)
        if not url.startswith(("http://", "https://")):
            raise DeliveryError(f"the value of {self.settings.url_variable} is not an HTTP address")
        secret = _secret(self.settings.secret_variable) if self.settings.secret_variable else None
        for attempt in range(1, self.settings.attempts + 1):
            problem, final = self._post(url, body, secret)
            if problem is None:
                return
            if final or attempt == self.settings.attempts:
                raise DeliveryError(f"{problem} ({counted(attempt, 'attempt')})")
            self.sleep(self.settings.backoff_seconds * 2 ** (attempt - 1))

    def _post(self, url: str, body: bytes, secret: str | None) -> tuple[str | None, bool]:
        """What went wrong, and whether another attempt is useless."""
        import http.client
        import urllib.error
        import urllib.request

        class NoRedirects(urllib.request.HTTPRedirectHandler):
            def redirect_request(self, *args: Any, **kwargs: Any) -> None:
                return None

        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "customer-retention"}
        if secret is not None:
            headers[SIGNATURE] = signature(secret, int(time.time()), body)
        try:
            request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310 - checked
            with urllib.request.build_opener(NoRedirects).open(request, timeout=self.settings.timeout_seconds):
                return None, True
        except urllib.error.HTTPError as error:
            error.close()
            return f"the server answered {error.code}", error.code not in WORTH_RETRYING
        except (urllib.error.URLError, TimeoutError, OSError, http.client.HTTPException, ValueError) as error:
            # Not its text, which may have the address.
            reason = getattr(error, "reason", None)
            kind = type(reason if isinstance(reason, Exception) else error).__name__
            return f"the server could not be reached: {kind}", isinstance(error, ValueError)


@dataclass(frozen=True)
class EmailSink:
    """Sends one plain text for all alerts of a run."""

    settings: Email
    name: str = "email"

    def send(self, project: str, alerts: Sequence[Mapping[str, Any]]) -> None:
        """See :class:`Sink`."""
        import smtplib
        import ssl
        from email.message import EmailMessage

        message = EmailMessage()
        message["From"], message["To"] = self.settings.sender, ", ".join(self.settings.recipients)
        message["Subject"] = f"{project}: {counted(len(alerts), 'alert')} of retention monitor"
        message.set_content(as_text(alerts))
        login = None
        if self.settings.user_variable:
            login = _secret(self.settings.user_variable), _secret(self.settings.password_variable)
        host, port, timeout = self.settings.host, self.settings.port, self.settings.timeout_seconds
        try:
            if self.settings.security == "tls":
                context = ssl.create_default_context()
                server: smtplib.SMTP = smtplib.SMTP_SSL(host, port, timeout=timeout, context=context)
            else:
                server = smtplib.SMTP(host, port, timeout=timeout)
            with server:
                if self.settings.security == "starttls":
                    server.starttls(context=ssl.create_default_context())
                if login:
                    server.login(*login)
                refused = server.send_message(message)
        except smtplib.SMTPResponseException as error:  # its text may quote what was sent
            raise DeliveryError(f"the mail server answered {error.smtp_code} ({type(error).__name__})") from error
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryError(f"the mail server did not take the message: {type(error).__name__}") from error
        if refused:
            raise DeliveryError(f"the mail server refused {counted(len(refused), 'recipient')}")


def as_text(alerts: Sequence[Mapping[str, Any]]) -> str:
    """Alerts as plain text."""
    lines = [f"{alert['alert_number']}. [{alert['part']}] {alert['message']} ({alert['status']})" for alert in alerts]
    return "\n".join([*lines, "", "Details: gold.gld_alerts, `retention monitor`", ""])


def _secret(variable: str | None) -> str:
    value = os.environ.get(variable or "")
    if not value:
        raise DeliveryError(f"the environment variable {variable} is not set")
    return value
