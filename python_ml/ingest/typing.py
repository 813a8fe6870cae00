"""The expression that turns a raw value into a typed one: as it stands in bronze, and as DuckDB runs it."""

from __future__ import annotations

from functools import lru_cache

from python_ml.ingest.macros import rendered
from python_ml.ingest.schema import Reading
from python_ml.names import jinja_string
from python_ml.warehouse import quote

_INTEGERS = tuple(
    f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
)
_PLACEHOLDER, _CLOCK = "raw_value_placeholder_", "raw_clock_placeholder_"


def is_integer_type(physical_type: str) -> bool:
    """Whether a DuckDB type holds whole numbers."""
    return physical_type in _INTEGERS


def is_number_type(physical_type: str) -> bool:
    """Whether a DuckDB type holds numbers."""
    return is_integer_type(physical_type) or physical_type in ("FLOAT", "DOUBLE") or physical_type.startswith("DECIMAL")


def is_time_type(physical_type: str) -> bool:
    """Whether a DuckDB type holds dates or times with a date."""
    return physical_type == "DATE" or physical_type.startswith("TIMESTAMP")


def typed_expression(reading: Reading, raw_sql: str, clock_sql: str = "") -> str:
    """Write the expression that reads a raw value.

    Parameters
    ----------
    reading : Reading
    raw_sql : str
        Expression of the raw value.
    clock_sql : str, optional
        Expression of the time of day, where the reading has a ``clock_column``; by default that column, quoted.

    Returns
    -------
    str
        Jinja text: SQL that may call macros of ``customer_retention``.
    """
    argument, physical = jinja_string(raw_sql), reading.physical_type
    is_text = physical == "VARCHAR"
    if not is_text:
        argument = f"customer_retention.to_text({argument})"
    match reading.type:
        case "integer" if is_text:
            return _call("to_integer", argument, _style(reading))
        case "integer":
            whole = is_integer_type(physical) and "HUGE" not in physical and physical != "UBIGINT"
            if whole:
                return f"cast({raw_sql} as bigint)"
            return (
                f"try_cast({raw_sql} as bigint)"
                if "INT" in physical
                else (f"cast(try_cast({raw_sql} as decimal(18, 0)) as bigint)")
            )
        case "decimal" if is_text:
            return _call("to_decimal", argument, "18", str(reading.scale), _style(reading))
        case "decimal":
            return f"try_cast({raw_sql} as decimal(18, {reading.scale}))"
        case "double" if is_text:
            return _call("to_double", argument, _style(reading))
        case "double":
            return _call("finite", jinja_string(raw_sql))
        case "boolean" if is_text:
            return _call("to_boolean", argument)
        case "boolean":
            return raw_sql if physical == "BOOLEAN" else f"({raw_sql} = 1)"
        case "duration":
            return _call("duration_seconds", argument, str(reading.scale))
        case "timestamp":
            return _timestamp(reading, raw_sql, argument, clock_sql)
        case _ if is_text or reading.strip_point_zero or reading.strip_zeros:
            if not (reading.strip_point_zero or reading.strip_zeros):
                return _call("clean_text", argument)
            return _call("key_text", argument, str(reading.strip_point_zero).lower(), str(reading.strip_zeros).lower())
    if reading.strip_point_zero:
        return f"cast(try_cast({raw_sql} as bigint) as {{{{ dbt.type_string() }}}})"
    return f"{{{{ {argument} }}}}"


def typed_sql(reading: Reading, raw_sql: str) -> str:
    """The same expression in DuckDB's SQL."""
    template = _template(reading)
    if reading.clock_column:
        template = template.replace(_CLOCK, quote(reading.clock_column))
    return template.replace(_PLACEHOLDER, raw_sql)


@lru_cache(maxsize=4096)
def _template(reading: Reading) -> str:
    """The expression with a placeholder: thousands of columns share a few readings."""
    return rendered(typed_expression(reading, _PLACEHOLDER, _CLOCK))


def _timestamp(reading: Reading, raw_sql: str, argument: str, clock_sql: str) -> str:
    if is_time_type(reading.physical_type):
        # Whatever the session's zone is, a time with a zone is taken to UTC.
        moment = f"{raw_sql} at time zone 'UTC'" if "WITH TIME ZONE" in reading.physical_type else raw_sql
        if not (reading.clock_column or reading.utc_offset):
            return f"cast({moment} as {{{{ dbt.type_timestamp() }}}})"
        argument = f"customer_retention.to_text({jinja_string(moment)})"
    options = [str(list(reading.formats))] if reading.formats else []
    options += [f"language={reading.language!r}"] if reading.language else []
    options += [f"utc_offset={reading.utc_offset!r}"] if reading.utc_offset else []
    if reading.clock_column:
        options.append(f"clock={jinja_string(clock_sql or quote(reading.clock_column))}")
    return _call("to_timestamp", argument, *options)


def _style(reading: Reading) -> str:
    return f"style={reading.style!r}" if reading.style != "plain" else ""


def _call(macro: str, *arguments: str) -> str:
    return f"{{{{ customer_retention.{macro}({', '.join(a for a in arguments if a)}) }}}}"
