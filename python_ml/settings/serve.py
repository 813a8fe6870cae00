"""How ``retention serve`` answers, and what it refuses."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from python_ml.settings.section import Section, written_as


def _a_host(value: str) -> str:
    if not value.isprintable() or any(character.isspace() for character in value) or "/" in value:
        raise ValueError("write a name or an address, such as 127.0.0.1")
    return value


Host = Annotated[str, Field(min_length=1), AfterValidator(_a_host)]
Age = Annotated[str, written_as(r"[1-9]\d*[hdw]", "write a duration such as 36h, 45d or 6w")]


class Serve(Section):
    """How ``retention serve`` answers, and what it refuses; see docs/guides/serving.md."""

    host: Host = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65_535)
    body_bytes: int = Field(1_000_000, ge=1_000, le=100_000_000)
    batch_size: int = Field(100, ge=1, le=10_000)
    requests_in_flight: int = Field(64, ge=1, le=10_000)
    timeout_seconds: float = Field(5.0, gt=0, le=600)
    refresh_seconds: float = Field(5.0, gt=0, le=3_600)
    features_age: Age | None = None
