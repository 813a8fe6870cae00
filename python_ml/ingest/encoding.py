"""Which encoding a text file is in, judged from all its bytes that are no ASCII."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from python_ml.errors import UserError

MARKS = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
MARK_NOTE = "starts with a UTF-8 byte-order mark"
_ENOUGH = 65_536  # bytes of lines with letters that are judged
_RUN = re.compile(rb"[\x80-\xff]+")
_SCRIPTS = [
    "gb18030", "cp932", "euc_jp", "cp949", "big5", "cp1251", "koi8_r", "cp866", "iso8859_5", "cp1253", "cp1255",
    "cp1256", "cp874",
]  # fmt: skip
_EAST_ASIAN = ("gb18030", "cp932", "euc_jp", "cp949", "big5")
_KANA = "[\u3041-\u30ff]"
# Letters that are frequent in the languages of each encoding; on a tie the first one.
_LATIN = {
    "cp1252": "äöüßéèêëàâáãåæçîïíìôóòõøûùúñœšž€–—“”‘’„…°£§«»¿¡",
    "cp1250": "ąćęłńóśźżčďěňřšťúůýžáéíőűăâîşţ€–—“”‘’„…",
    "iso8859_2": "ąćęłńóśźżčďěňřšťúůýžáéíőűăâîşţ",
    "cp1254": "ğışİçöüâî€–—“”‘’„…",
    "cp1257": "āčēģīķļņšūžąęėįų€–—“”‘’„…",
}


@dataclass(frozen=True)
class Encoding:
    """How a file's bytes become text.

    Attributes
    ----------
    name : str
        Python's name of the codec.
    note : str
        What a reader should know; empty where the encoding is certain.
    is_in_place : bool
        Whether DuckDB reads the file as it is.
    mixed : str
        Where some lines with letters are UTF-8 and others are not: the first one that is not.
    is_given : bool
        Whether the user named it.
    """

    name: str
    note: str = ""
    is_in_place: bool = True
    mixed: str = ""
    is_given: bool = False


def encoding_of(path: Path, sample: bytes, opened: Callable[[], IO[bytes]], given: str | None = None) -> Encoding:
    """Judge the encoding of a file.

    Parameters
    ----------
    path : Path
        For messages.
    sample : bytes
        Its beginning.
    opened : callable
        Opens its bytes.
    given : str, optional
        What the user says it is.

    Raises
    ------
    UserError
        When ``given`` is no encoding, or no encoding fits.
    """
    if given:
        try:
            name = codecs.lookup(given).name
        except LookupError as error:
            raise UserError(
                f"There is no encoding `{given}`.", where="--encoding", hint="try utf-8, cp1252, gb18030 or shift_jis"
            ) from error
        return Encoding(name, f"encoding {name}, as given", name in ("utf-8", "utf-16"), is_given=True)
    marked = next((name for mark, name in MARKS.items() if sample.startswith(mark)), None)
    if marked == "utf-16":
        return Encoding("utf-16", "encoding utf-16, by its byte-order mark")
    zeros = (sample[0:2000:2].count(0), sample[1:2000:2].count(0))
    half = len(sample[:2000]) // 2
    if half > 4 and max(zeros) > 0.4 * half and min(zeros) < 0.1 * half:
        name = "utf-16-le" if zeros[1] > zeros[0] else "utf-16-be"
        return Encoding(name, f"encoding {name}, by its pattern of bytes", is_in_place=False)
    good, bad, number = bytearray(), bytearray(), 0
    first, has_controls = 0, False
    with opened() as file:
        for line in file:
            number += 1
            if line.isascii():
                continue
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                first = first or number
                has_controls = has_controls or bool(re.search(rb"[\x80-\x9f]", line))
                if len(bad) < _ENOUGH:
                    bad += line[:4096]
            else:
                good += line[: max(0, _ENOUGH - len(good))]
    note = MARK_NOTE if marked else ""
    if not bad:
        return Encoding("utf-8", note)
    if good or marked:
        return Encoding("utf-8", note, mixed=f"line {first:,} is not UTF-8, other lines are", is_in_place=False)
    name = _guess(bytes(bad))
    if name is None:
        raise UserError(
            f"The encoding of the file is not known: line {first:,} is not UTF-8, nor anything else that fits.",
            where=str(path),
            hint="name it with --encoding (such as cp1252 or gb18030), or save the file as UTF-8",
        )
    name = "latin-1" if name == "cp1252" and not has_controls else name
    note = f"line {first:,} is not UTF-8; read as {name}: check letters with accents, or name it with --encoding"
    return Encoding(name, note, is_in_place=name == "latin-1")


def _guess(text: bytes) -> str | None:
    """The encoding of lines that are not UTF-8; None when none fits."""
    runs = _RUN.findall(text)
    if _share(text, "cp932", _KANA) >= 0.1:
        return "cp932"
    if sum(len(run) == 1 for run in runs) < 0.6 * len(runs):
        # Letters of another script stand side by side.
        from charset_normalizer import from_bytes

        # Lower-case letters of single-byte encodings lie at the upper end, those of East Asia everywhere.
        high = [byte for byte in text if byte > 0x7F]
        is_alphabet = sum(byte >= 0xE0 for byte in high) >= 0.6 * len(high)
        different = set(runs)
        is_paired = sum(len(run) % 2 == 0 for run in different) >= 0.95 * len(different) and len(different) > 2
        if is_paired and not is_alphabet and (name := _east_asian(text)):
            return name
        scripts = [name for name in _SCRIPTS if not is_alphabet or name not in _EAST_ASIAN]
        best = from_bytes(text, cp_isolation=scripts).best()
        if best is not None:
            return _east_asian(text) or best.encoding if best.encoding in _EAST_ASIAN else best.encoding
    scores = {}
    for name, letters in _LATIN.items():
        decoded = _decoded(text, name)
        if decoded is not None:
            known = set(letters) | set(letters.upper())
            scores[name] = sum(character in known for character in decoded if not character.isascii())
    # A rarer encoding needs clear evidence.
    default = scores.get("cp1252", -1)
    best_name = max(scores, key=scores.__getitem__, default=None)
    return "cp1252" if best_name and default >= 0.9 * scores[best_name] else best_name


def _east_asian(text: bytes) -> str | None:
    """Tell encodings apart that all read the same bytes: by kana, by Hangul, by bytes that only Big5 has."""
    if _share(text, "euc_jp", _KANA) >= 0.1:
        return "euc_jp"
    if _share(text, "cp949", "[\uac00-\ud7a3]") >= 0.95:
        return "cp949"
    # Second bytes below 0x80 stand for rare characters in GBK, and for a third of all in Big5.
    is_paired = sum(len(run) % 2 == 0 for run in _RUN.findall(text)) >= 0.9 * len(_RUN.findall(text))
    order = ("gb18030", "big5") if is_paired else ("big5", "gb18030")
    return next((name for name in order if _decoded(text, name) is not None), None)


def _share(text: bytes, encoding: str, letters: str) -> float:
    """Share of certain letters among those that are not ASCII; 0 where the bytes are of another encoding."""
    decoded = _decoded(text, encoding) or ""
    others = sum(not character.isascii() for character in decoded)
    return len(re.findall(letters, decoded)) / others if others else 0.0


def _decoded(text: bytes, encoding: str) -> str | None:
    try:
        return text.decode(encoding)
    except UnicodeDecodeError:
        return None
