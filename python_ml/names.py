"""Names that are safe in SQL, Jinja and YAML, made from names that may be anything.

Nothing from a user's file reaches generated code as it stands: columns get snake-case identifiers, and where the
original name must appear it goes through :func:`jinja_string` (in SQL) or :func:`yaml_text` (in YAML).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# Words that cannot be a bare column name on DuckDB, Spark or Databricks, and words our own models use.
_RESERVED = """
    all alter analyse analyze and anti any array as asc asymmetric authorization between binary both by case cast
    check collate collation column commit concurrently constraint create cross cube current current_date current_role
    current_time current_timestamp current_user database default deferrable delete desc describe distinct do drop else
    end escape except exists explain extract false fetch filter first following for foreign freeze from full function
    generated glob global grant group grouping having if ilike in index initially inner insert intersect interval into
    is isnull join key lambda language last lateral leading left like limit local localtime localtimestamp map
    minus merge natural not notnull null of offset on only or order outer over overlaps partition pivot placing
    position positional preceding primary qualify range references returning revoke right rlike rollback rollup row
    rows schema select semi session_user set show similar some start summarize symmetric table tablesample then time
    to trailing trigger true truncate unbounded union unique unknown unnest unpivot update user using values variadic
    verbose view when where window with within year month day hour minute second date timestamp
    asof at bigint bit boolean char character coalesce columns dec decimal float grouping_id inout int integer national
    nchar none nullif numeric out overlay pivot_longer pivot_wider precision real setof smallint struct substring treat
    trim try_cast tuple unpack varchar xmlattributes xmlconcat xmlelement xmlexists xmlforest xmlnamespaces xmlparse
    xmlpi xmlroot xmlserialize xmltable
    quarantine_reason invalid_reason copy_rank is_reversal feature_timestamp label_timestamp
    label_available_flag churned row_fingerprint
    as_of_us event_us known_us event_count smallest_window
    """
RESERVED = frozenset(_RESERVED.split())

# Letters that do not fall apart into a base letter and an accent.
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "Ae", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "þ": "th"}
)

MAX_LENGTH = 50


def identifier(name: str, fallback: str = "column") -> str:
    """Make a lower-case snake-case identifier.

    Parameters
    ----------
    name : str
        Any text: spaces, camel case, accents, quotes.
    fallback : str
        What it names: ``unnamed_column`` when nothing readable is left, ``column_2020`` for a leading digit.

    Returns
    -------
    str
        Matches ``[a-z][a-z0-9_]*``, has no double underscore, at most 50 characters; not a reserved word
        (those get a trailing ``_value``).

    Examples
    --------
    >>> identifier("customerID"), identifier("Ünit price"), identifier("select"), identifier("2020 sales")
    ('customer_id', 'unit_price', 'select_value', 'column_2020_sales')
    """
    text = _snake_case(name)
    if not text:
        return f"unnamed_{fallback}"
    if text[0].isdigit():
        text = f"{fallback}_{text}"
    text = text[:MAX_LENGTH].rstrip("_")
    return f"{text}_value" if text in RESERVED else text


def _snake_case(name: str) -> str:
    text = unicodedata.normalize("NFKD", name.translate(_LETTERS)).encode("ascii", "ignore").decode("ascii")
    text = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", text)
    text = re.sub(r"(?<=[A-Z])(?=[A-Z][a-z])", "_", text)
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def unique_identifiers(names: Iterable[str], fallback: str = "column", taken: Iterable[str] = ()) -> list[str]:
    """Make identifiers for several names, numbering those that would be equal.

    Parameters
    ----------
    names : iterable of str
    fallback : str
        As in :func:`identifier`.
    taken : iterable of str
        Identifiers that are in use already.

    Returns
    -------
    list of str
        As long as ``names`` and in its order; no element twice, none in ``taken``.
    """
    used, numbers = set(taken), dict[str, int]()
    return [free_name(identifier(name, fallback), used, numbers) for name in names]


def free_name(name: str, used: set[str], numbers: dict[str, int] | None = None) -> str:
    """The name, with a number behind it where it is used already; it joins the used ones.

    ``numbers`` keeps the last number of each name, so that thousands of equal names take no longer than others.

    Examples
    --------
    >>> used = {"amount"}
    >>> free_name("amount", used), free_name("amount", used), free_name("price", used)
    ('amount_2', 'amount_3', 'price')
    """
    free, number = name, (numbers or {}).get(name, 1)
    while free in used:
        number += 1
        free = f"{name}_{number}"
    used.add(free)
    if numbers is not None:
        numbers[name] = number
    return free


def jinja_string(text: str) -> str:
    """Write text as a Jinja string literal that no lexer of dbt can mistake for anything else.

    Everything but plain printable ASCII is escaped, and so are quotes, braces, percent and number signs.

    Examples
    --------
    >>> jinja_string("Unit price")
    "'Unit price'"
    >>> jinja_string("a{{b")
    "'a\\\\x7b\\\\x7bb'"
    """
    escaped = []
    for character in text:
        code = ord(character)
        if character.isascii() and character.isprintable() and character not in "\\'\"{}%#":
            escaped.append(character)
        elif code < 0x100:
            escaped.append(f"\\x{code:02x}")
        elif code < 0x10000:
            escaped.append(f"\\u{code:04x}")
        else:
            escaped.append(f"\\U{code:08x}")
    return "'" + "".join(escaped) + "'"


def yaml_text(text: str) -> str:
    """Text for a YAML value that dbt renders with Jinja: unchanged when harmless, else a Jinja literal."""
    if re.search(r"\{[{%#]", text):
        return "{{ " + jinja_string(text) + " }}"
    return text


def name_parts(name: str) -> list[str]:
    """The words of a column's name, lower case: ``"InvoiceNo"`` is ``["invoice", "no"]``."""
    return [word for word in _snake_case(name).split("_") if word]


def comment_text(text: str) -> str:
    """Text for prose in Markdown or a SQL comment: one line, no control characters, no Jinja."""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return re.sub(r"\{(?=[{%#])", "{ ", printable).strip()
