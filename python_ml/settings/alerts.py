"""Where ``retention monitor`` sends alerts. Secrets are read from the environment variables named here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from python_ml.settings.section import Section, written_as

Variable = Annotated[str, written_as(r"[A-Za-z_][A-Za-z0-9_]*", "name an environment variable, such as HOOK_SECRET")]
Url = Annotated[
    str,
    written_as(r"https?://[^/\s@]+(/\S*)?", "write an HTTP address without a user, such as https://example.com/hook"),
]


def _one_line(value: str) -> str:
    if not value.isprintable() or " " in value or value.count("@") != 1:
        raise ValueError("write one address, such as team@example.com")
    return value


Address = Annotated[str, AfterValidator(_one_line)]


class Webhook(Section):
    """An HTTP POST with JSON. ``url_variable`` instead of ``url`` where the URL itself is a secret."""

    url: Url | None = None
    url_variable: Variable | None = None
    secret_variable: Variable | None = None
    attempts: int = Field(3, ge=1, le=10)
    backoff_seconds: float = Field(1.0, ge=0, le=60)
    timeout_seconds: float = Field(10.0, gt=0, le=120)

    @model_validator(mode="after")
    def _one_url(self) -> Webhook:
        if (self.url is None) == (self.url_variable is None):
            raise ValueError("give `url`, or `url_variable`: the environment variable that has it")
        return self


class Email(Section):
    """An e-mail by SMTP."""

    host: str = Field(min_length=1)
    port: int = Field(587, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: Address
    recipients: tuple[Address, ...] = Field(min_length=1)
    user_variable: Variable | None = None
    password_variable: Variable | None = None
    timeout_seconds: float = Field(10.0, gt=0, le=120)

    @model_validator(mode="after")
    def _password_is_safe(self) -> Email:
        if (self.user_variable is None) != (self.password_variable is None):
            raise ValueError("user_variable and password_variable belong together")
        if self.password_variable and self.security == "none":
            raise ValueError("a password needs `security: starttls` or `tls`")
        return self


class Alerts(Section):
    """Sinks of alerts; rows, log and JSON are always written."""

    webhook: Webhook | None = None
    email: Email | None = None
