"""Text from files and plans as YAML, Markdown and the arguments of macros: whatever it holds, it stays text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import yaml

from python_ml.bracket_templates import bracket_environment
from python_ml.durations import duration_text
from python_ml.names import comment_text, jinja_string, yaml_text

WIDTH = 105  # a line may exceed it by its last word


@cache
def environment() -> Any:
    """Templates of this package, with filters for the text that they write."""
    made = bracket_environment("python_ml.generate")
    made.filters |= {
        "yaml": scalar,
        "flow": flow,
        "vars": lambda value: flow(value, has_jinja=False),
        "duration": duration_text,
        "patterns": patterns,
        "lower_first": lambda text: text[:1].lower() + text[1:],
        "code": code,
        "markdown": markdown,
        "comment": comment_text,
        "number": lambda value: f"{value:,}",
        "listed": listed,
        "argument": as_argument,
        "jinja": jinja_literal,
        "plain_flow": plain_flow,
        "wrapped": wrapped,
    }
    return made


def scalar(text: str, indent: int = 0) -> str:
    """A text as a YAML value that dbt renders with Jinja: plain where it can be, folded where it is long.

    Parameters
    ----------
    text : str
    indent : int
        Columns by which lines after the first are indented.

    Returns
    -------
    str
    """
    if len(text) < WIDTH - indent and _PLAIN.fullmatch(text) and text.lower() not in _YAML_WORDS:
        return text
    safe = yaml_text(str(text).encode("utf-8", "replace").decode("utf-8"))
    if any(not (c.isprintable() or c == "\n") for c in safe):
        return flow(safe, has_jinja=False)
    dumped = yaml.safe_dump({"k": safe}, allow_unicode=True, width=max(WIDTH - indent, 40), default_flow_style=False)
    lines = dumped.rstrip("\n").split("\n")
    # A mapping's value continues two columns further in.
    return "\n".join([lines[0][3:], *(" " * (indent - 2) + line if line else "" for line in lines[1:])])


def flow(value: Any, has_jinja: bool = True) -> str:
    """A value on one line, as JSON, which is YAML; ``has_jinja`` says whether dbt renders it."""

    def leaf(value: Any) -> str:
        if not isinstance(value, str):
            return json.dumps(value)
        text = (yaml_text(value) if has_jinja else value).encode("utf-8", "replace").decode("utf-8")
        quoted = json.dumps(text, ensure_ascii=False)
        # YAML takes some characters for line breaks that JSON does not escape.
        return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in quoted)

    return _nested(value, leaf, _key)


def plain_flow(value: Any) -> str:
    """A value of our own names on one line, without quotes where YAML needs none."""

    def leaf(value: Any) -> str:
        is_plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z][\w./() '-]*|\d+[hdw]", value)
        return value if is_plain and value.lower() not in _YAML_WORDS else flow(value)

    return _nested(value, leaf, str)


def _nested(value: Any, leaf: Callable[[Any], str], key: Callable[[Any], str]) -> str:
    """Mappings and lists on one line, in the notation that YAML, JSON and Jinja share."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key(k)}: {_nested(v, leaf, key)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_nested(v, leaf, key) for v in value) + "]"
    return leaf(value)


_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_.,;()/`' -]*[A-Za-z0-9_.)`]")
# What YAML 1.1 reads as something else than text.
_YAML_WORDS = frozenset(["true", "false", "yes", "no", "on", "off", "null", "y", "n"])


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z_]{4,}", key) else flow(key)


def patterns(values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Settings by feature, with one line for all windows of an aggregate: ``orders_amount_sum_*``."""
    lines: dict[str, str] = {}
    for name, how in sorted(values.items()):
        window = re.fullmatch(r"(.+)_(\d+[hdw]|all_time)", name)
        stem = window[1] if window else ""
        together = {how for other, how in values.items() if stem and other.startswith(f"{stem}_")}
        is_several = sum(other.startswith(f"{stem}_") for other in values) > 1
        lines[f'"{stem}_*"' if len(together) == 1 and is_several else name] = how
    return list(lines.items())


def names_in(*expressions: str) -> set[str]:
    """Names that SQL expressions may use, keywords and functions among them."""
    return set(re.findall(r"\w+", " ".join(expressions)))


def as_argument(expression: str) -> str:
    """An expression with Jinja in it as the argument of a macro."""
    parts = re.split(r"\{\{ (.*?) \}\}", expression)
    return " ~ ".join(part if place % 2 else jinja_string(part) for place, part in enumerate(parts) if part)


def jinja_literal(value: Any) -> str:
    """A value as an argument of a macro, whatever text it holds."""

    def leaf(value: Any) -> str:
        return jinja_string(value) if isinstance(value, str) else repr(value)

    return _nested(value, leaf, leaf)


def wrapped(expression: str) -> str:
    """An expression of a select list on several lines where it calls a macro, since that may become long."""
    if "{{" not in expression:
        return expression
    indent, case = 8, re.fullmatch(r"case when (.*) then (.*) end", expression)
    if case:
        expression, indent = case[2], 16
    space = "\n" + " " * indent
    made = re.sub(r"cast\((\{\{.*?\}\}) as (\w+)\)", rf"cast({space}    \1{space}    as \2{space})", expression)
    return f"case\n            when {case[1]}\n                then {made}\n        end" if case else made


def markdown(text: object) -> str:
    """Text for Markdown: one line, nothing that would be read as markup."""
    return re.sub(r"([\\|<>*\[\]])", r"\\\1", comment_text(str(text)))


def code(text: object) -> str:
    """Text as inline code, whatever backticks it has."""
    plain = comment_text(str(text)).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", plain)), default=0))
    space = " " if len(fence) > 1 else ""
    return f"{fence}{space}{plain}{space}{fence}"


def listed(names: Iterable[str], word: str = "and") -> str:
    """Names in prose: ``a, b and c``."""
    names = list(names)
    return f" {word} ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
