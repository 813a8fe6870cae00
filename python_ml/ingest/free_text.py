"""Free text against names, addresses, codes, structures and categories, by what its values hold; and its language.

Everything is measured on the different values of a bounded sample: a thousand times "ok" says no more than one.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from python_ml.names import name_parts

LOOKED_AT, LONGEST = 1_000, 600  # values, and characters of each
FEW, FEWEST = 50, 20  # different values of text that repeats, and of text that does not
MOST = 0.8  # share of values that have a shape where a column has it
FEWEST_WORDS = 25  # different ones in short texts: combinations of fewer are categories
_CHARACTERS_PER_WORD = 1.6  # of Chinese and Japanese

TAG = r"</?[A-Za-z][^<>]{0,500}>|&(?:nbsp|amp|lt|gt|quot|#\d{1,6});"
_TAG = re.compile(TAG)
_HTML = r"(?:html|head|body|div|p|br|span|table|t[rdh]|[biua]|h\d|[uo]l|li|font|center|em|strong|img)\b"
_WORD = re.compile(r"[^\W\d_]+")
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_SYLLABLES = re.compile(f"[{_UNSPACED}]")
_SEVERAL_WORDS = re.compile(rf"\s|[{_UNSPACED}]").search
_NAME = re.compile(r"[^\W\d_]+(?:[ .,'’-]+[^\W\d_]+){1,4}\.?")
_SCRIPTS = {
    "ja": re.compile("[\u3040-\u30ff]"),
    "ko": re.compile("[\uac00-\ud7af]"),
    "th": re.compile("[\u0e00-\u0e7f]"),
    "zh": re.compile("[\u3400-\u4dbf\u4e00-\u9fff]"),
    "ru": re.compile("[\u0400-\u04ff]"),
    "el": re.compile("[\u0370-\u03ff]"),
    "he": re.compile("[\u0590-\u05ff]"),
    "ar": re.compile("[\u0600-\u06ff]"),
    "hi": re.compile("[\u0900-\u097f]"),
}


@dataclass(frozen=True)
class WordFacts:
    """What the different values of a sample hold; shares are shares of these values.

    Attributes
    ----------
    values : int
    words : float
        Mean number of words of a value; tokens that are mostly digits are none.
    several : float
        Share with at least two words.
    functions : float
        Share with a word that holds sentences together.
    letters : float
        Share of letters among the characters that are no blanks.
    vocabulary : int
        Different words.
    """

    values: int
    words: float
    several: float
    functions: float
    letters: float
    vocabulary: int


@cache
def _lists() -> dict[str, Any]:
    text = (Path(__file__).parent / "languages.yml").read_text(encoding="utf-8")
    return yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe


@cache
def _terms(name: str) -> frozenset[str]:
    return frozenset(_lists()[name].split())


@cache
def _functions() -> dict[str, frozenset[str]]:
    return {language: frozenset(words.split()) for language, words in _lists()["functions"].items()}


@cache
def _any_function() -> frozenset[str]:
    # One letter is an initial as often as a word.
    return frozenset(word for words in _functions().values() for word in words if len(word) > 1 or word == "i")


def described_as(name: str, distinct: int, filled: int, sample: Iterable[str]) -> tuple[str, str]:
    """What the values of a column of text are, and why.

    Parameters
    ----------
    name : str
        Of the column: a hint, which moves a limit and decides nothing alone.
    distinct, filled : int
        Different values of the whole column, and rows with one.
    sample : iterable of str

    Returns
    -------
    str
        ``text``, ``person``, ``address``, ``name`` (of companies, places), ``structure``, or empty where the values
        are none of these: codes and categories.
    str
        The reason, with its figures.
    """
    if distinct < (FEWEST if distinct >= 0.5 * filled else FEW):
        return "", ""
    values = [v for v in dict.fromkeys(value.strip()[:LONGEST] for value in sample) if v][:LOOKED_AT]
    if not values or _share(values, _SEVERAL_WORDS) < 0.2:
        return "", ""
    for title, test in _STRUCTURES.items():
        if _share(values, test) >= MOST:
            return "structure", f"its values are {title}"
    plain = [text for value in values if _WORD.search(text := _TAG.sub(" ", value))]
    if len(plain) < 0.5 * len(values):
        return "", ""
    facts = measure_words(plain)
    if _share(plain, _is_address) >= 0.6:
        return "address", "its values look like addresses"
    hinted = bool(set(name_parts(name)) & _terms("text_names"))
    named = {"name", "names", "company", "city", "vendor", "supplier", "author", "brand"} & set(name_parts(name))
    titled = _share(plain, _is_title) if facts.functions < 0.5 else 0.0
    if titled >= 0.7 and not hinted and facts.words < 3.5:
        # A name that comes back is that of an artist or a shop rather than of a customer.
        if distinct >= 0.5 * filled and _share(plain, _has_first_name) >= 0.08:
            return "person", "its values look like names of persons"
        if named or facts.words < 2.6 or _share(plain, _has_company) >= 0.2:
            return "name", "its values look like names"
    if facts.letters < 0.6:
        return "", ""
    figures = f"{facts.words:.1f} words on average, {facts.functions:.0%} of the values with function words"
    is_prose = facts.functions >= 0.25 and facts.words >= (2 if hinted else 3)
    # Texts on products hardly hold sentences: several words, and many different ones.
    least = 2 if hinted else 4 if named else 3
    is_short_text = facts.several >= 0.7 and facts.words >= least and facts.vocabulary >= FEWEST_WORDS
    return ("text", figures) if is_prose or is_short_text else ("", "")


def measure_words(values: Sequence[str]) -> WordFacts:
    """Measure the words of values without tags; the values are different ones."""
    counts, functions, letters, characters = [], 0, 0, 0
    vocabulary: set[str] = set()
    marks = frozenset(_lists()["function_characters"])
    known = _any_function()
    for value in values:
        tokens = [token for token in value.split() if 2 * sum(c.isalpha() for c in token) > len(token)]
        syllables = len(_SYLLABLES.findall(value))
        spaced = [t for t in tokens if not _SYLLABLES.search(t)]
        counts.append(len(spaced) + syllables / _CHARACTERS_PER_WORD)
        words = {word.lower() for token in spaced for word in _WORD.findall(token)}
        vocabulary |= words | set(_SYLLABLES.findall(value))
        functions += bool(words & known) or bool(marks & set(value))
        letters += sum(c.isalpha() for c in value)
        characters += sum(not c.isspace() for c in value)
    size = max(len(values), 1)
    return WordFacts(
        values=len(values),
        words=sum(counts) / size,
        several=sum(count >= 2 for count in counts) / size,
        functions=functions / size,
        letters=letters / max(characters, 1),
        vocabulary=len(vocabulary),
    )


def language_shares(values: Iterable[str]) -> dict[str, float]:
    """Share of the values in each language, the most frequent first; ``unknown`` where no word tells.

    The script tells some languages, words that hold sentences together tell others. A value with one such word, or
    whose words belong to several languages, counts for the one of them that is the most frequent in the column.
    """
    decided: Counter[str] = Counter()
    open_cases: list[list[str]] = []
    total = 0
    for value in values:
        total += 1
        candidates, hits = _candidates(_TAG.sub(" ", value[:LONGEST]))
        if len(candidates) == 1 and hits > 1:
            decided[candidates[0]] += 1
        else:
            open_cases.append(candidates)
    shares = Counter(decided)
    if not decided:
        decided.update(language for candidates in open_cases if len(candidates) == 1 for language in candidates)
    for candidates in open_cases:
        likeliest = max(candidates, key=lambda language: (decided[language], language), default="unknown")
        shares[likeliest if decided[likeliest] > 0.01 * total else "unknown"] += 1
    ordered = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return {language: round(count / total, 4) for language, count in ordered}


def language_title(code: str) -> str:
    """English name of a language by its code."""
    return _lists()["names"][code]


def _candidates(value: str) -> tuple[list[str], int]:
    """Languages that a value may be written in, all equally likely, and how many words or letters say so."""
    letters = sum(c.isalpha() for c in value)
    for language, script in _SCRIPTS.items():
        found = len(script.findall(value))
        if found and (found >= 0.5 * letters or (language == "ja" and found >= 0.1 * letters)):
            return [language], letters
    words = [word.lower() for word in _WORD.findall(value)]
    hits = {language: sum(word in known for word in words) for language, known in _functions().items()}
    most = max(hits.values())
    return [language for language, count in hits.items() if count == most] if most else [], most


def _share(values: Sequence[str], test: Callable[[str], Any]) -> float:
    return sum(bool(test(value)) for value in values) / len(values)


def _is_json(value: str) -> bool:
    if value[0] + value[-1] not in ("{}", "[]") and not (len(value) == LONGEST and value[0] in "{["):
        return False
    try:
        json.loads(value)
    except (ValueError, RecursionError):
        return bool(re.match(r"[{\[]\s*['\"{\[\d]", value))  # cut, or written by another program
    return True


def _is_dates(value: str) -> bool:
    words = _WORD.findall(value.lower())
    return bool(words) and all(word in _terms("date_words") for word in words)


_STRUCTURES: dict[str, Callable[[str], Any]] = {
    "JSON": _is_json,
    "XML": re.compile(rf"<\?xml|<(?!{_HTML})([A-Za-z][\w:.-]*)[^<>]*>.*</\1>\s*$", re.DOTALL | re.IGNORECASE).match,
    "queries of SQL": re.compile(
        r"(?:select|insert|update|delete|with|create)\b.*\b(?:from|into|set|table)\b", re.I
    ).match,
    "addresses of web pages": re.compile(r"(?:[a-z][a-z0-9+.-]{1,10}://|www\.)\S+$", re.IGNORECASE).match,
    "paths of files": re.compile(r"(?:[A-Za-z]:\\|\\\\|~?/|\.{1,2}/)[^\n<>|?*]+$").match,
    "names of browsers": re.compile(r"\w+/\d+(?:\.\d+)* ?\(").match,
    "levels of categories": re.compile(r"[^<>|/]{1,40}(?:(?:[>|]| / )[^<>|/]{1,40})+").fullmatch,
    "dates and times": _is_dates,
}


def _is_address(value: str) -> bool:
    if len(_SYLLABLES.findall(value)) > 3:
        return sum(c in _lists()["address_characters"] for c in value) >= 2 and bool(re.search(r"\d", value))
    if not re.search(r"\d", value):
        return False
    words = [word.lower() for word in _WORD.findall(value)]
    if len(words) > 12:
        return False
    endings = tuple(_lists()["address_endings"].split())
    return any(w in _terms("address_words") or (len(w) > 5 and w.endswith(endings)) for w in words)


def _is_title(value: str) -> bool:
    """Whether a value is two to five capitalised words, as names are."""
    if not _NAME.fullmatch(value):
        return False
    words = _WORD.findall(value)
    return all(word[0].isupper() or word in _terms("name_particles") for word in words) and words[0][0].isupper()


def _has_first_name(value: str) -> bool:
    return any(word.lower() in _terms("first_names") for word in _WORD.findall(value))


def _has_company(value: str) -> bool:
    return any(word.lower().strip(".,") in _terms("company_words") for word in value.split())
