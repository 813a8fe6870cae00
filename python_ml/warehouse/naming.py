"""Quoting identifiers and literals, and reading the names of tables in DuckDB's SQL."""

from __future__ import annotations

import re

_PART = r'(?:"(?:[^"]|"")+"|\w+)'
_NAMED = re.compile(rf"({_PART})\s*\.\s*({_PART})")
_WRITTEN = re.compile(
    r"\b(?:insert\s+(?:or\s+\w+\s+)?into|merge\s+into|update|delete\s+from|truncate(?:\s+table)?|alter\s+table"
    r"|drop\s+table(?:\s+if\s+exists)?|create\s+(?:or\s+replace\s+)?table(?:\s+if\s+not\s+exists)?)"
    rf"\s+({_PART}\s*\.\s*{_PART})",
    re.IGNORECASE,
)


def quote(identifier: str) -> str:
    """Quote an identifier for SQL; a dotted name is quoted part by part by :func:`relation`."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text literal for SQL."""
    return "'" + text.replace("'", "''") + "'"


def relation(name: str) -> str:
    """Quote a ``schema.table`` name."""
    return ".".join(quote(part) for part in name.split("."))


def quote_for_spark(identifier: str) -> str:
    """Quote an identifier for SQL of Spark and Databricks."""
    return "`" + identifier.replace("`", "``") + "`"


def relation_for_spark(name: str) -> str:
    """Quote a dotted name for SQL of Spark and Databricks."""
    return ".".join(map(quote_for_spark, name.split(".")))


def named_in(query: str) -> list[str]:
    """Everything in a query that may be a ``schema.table``, unquoted and in its order; columns of an alias are, too."""
    return list(dict.fromkeys(f"{_unquoted(one)}.{_unquoted(other)}" for one, other in _NAMED.findall(query)))


def written_by(query: str) -> list[str]:
    """The ``schema.table`` names that a query creates, changes or drops."""
    return list(dict.fromkeys(name for written in _WRITTEN.findall(query) for name in named_in(written)))


def _unquoted(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part
