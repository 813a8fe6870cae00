"""What all sections of ``retention.yml`` have in common."""

from __future__ import annotations

import re
from typing import Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, model_validator


def reasons(what: str) -> AfterValidator:
    """Ask for a reason behind every name; ``what`` says what of them is accepted."""

    def checked(value: dict[str, str]) -> dict[str, str]:
        for name, reason in value.items():
            if not reason.strip():
                raise ValueError(f"say why `{name}` {what}")
        return value

    return AfterValidator(checked)


def written_as(pattern: str, advice: str) -> AfterValidator:
    """Ask for a text of a pattern; ``advice`` says how it is written."""

    def checked(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(advice)
        return value

    return AfterValidator(checked)


TABLE_NAME = written_as(r"[^.]+\.[^.]+", "write schema and table, such as raw.offers")
# A key with nothing behind it is as good as no key.
EMPTY_MAPPING = BeforeValidator(lambda value: {} if value is None else value)
EMPTY_LIST = BeforeValidator(lambda value: () if value is None else value)


class Section(BaseModel):
    """A mapping of ``retention.yml``: unknown keys are mistakes, not extensions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_means_defaults(cls, value: Any) -> Any:
        return {} if value is None else value


class SectionOfParts(Section):
    """A section whose parts have defaults of their own: who sets one key of a part keeps our others."""

    @model_validator(mode="before")
    @classmethod
    def _parts_have_defaults(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        defaults = {name: field.default for name, field in cls.model_fields.items()}
        return value | {
            name: {**defaults[name].model_dump(), **(part or {})}
            for name, part in value.items()
            if isinstance(defaults.get(name), Section) and isinstance(part, dict | None)
        }
