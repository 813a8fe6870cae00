"""Personal data in free text, masked before a person or a log sees it.

Every pattern is bounded or begins where a run of its characters begins, so that the time grows with the length of the
text whatever it says.
"""

from __future__ import annotations

import re

# The domain has a letter: `v2@0.1.0` is a version.
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]+@(?=[\d._-]*[^\W\d_])[\w-]+(?:\.[\w-]+)+")

# Characters of an IBAN by country, from the SWIFT registry.
_IBAN_LENGTHS = {
    entry[:2]: int(entry[2:])
    for entry in re.findall(
        r"\w+",
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
        "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 "
        "LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 "
        "QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20",
    )
}
_IBAN = re.compile(rf"(?<![^\W_])(?:{'|'.join(_IBAN_LENGTHS)})\d\d(?=[ -]?\w)", re.IGNORECASE)
_IBAN_BODY = re.compile(r"[^\W_](?:[ \u00a0-]?[^\W_]){14,32}")

_CARD = re.compile(r"(?<!\w)\d(?:[ -]?\d){12,18}")
_BRANDS = re.compile(r"4(?:\d{12}|\d{15}|\d{18})|(?:5[1-5]|2[2-7]|35)\d{14}|3[47]\d{13}|3[068]\d{12}|6\d{15}|6\d{18}")

_GAP = r"[ \u00a0().\-/]{0,3}"
_DATE = r"(?:(?:19|20)\d\d[./-]\d{1,2}[./-]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-](?:19|20)?\d\d)(?!\d|[./-]\d)"
_CALL = (
    "phone|call|mobile|cell|fax|tel|whatsapp|telefon|handy|mobil|rufnummer|ruf|tél|téléphone|portable|appel|appelez"
    "|teléfono|móvil|llame|llamar"
)
_PHONE = re.compile(
    rf"""
    (?<![^\W\d_])(?P<said>(?:{_CALL})[a-z]{{0,6}}[.:]?
        (?:\ (?:number|no\.?|nr\.?|nummer|me|us|is|at|on|unter|mich|au|al|en|est|ist|es)){{0,3}}[:=]?\ ?)
        (?!{_DATE})\+?\(?\d(?:[ \u00a0()-]{{0,2}}\d){{5,14}}(?![\w,]|\.\d)
    | (?<![\w\#=&/.,+-])(?:
        \(?\+\d(?:{_GAP}\d){{6,14}}                                   # +49 (0)30 1234567
        | 00[1-9](?:{_GAP}\d){{7,13}}                                 # 0049 30 1234567
        | (?!{_DATE})(?:
            \(?0[1-9]\d{{1,4}}(?:\)|[ \u00a0/.-]){{1,3}}\d(?:[ \u00a0-]?\d){{4,8}}   # 030 1234567, (0170) 123 45 67
            | 0[1-9](?P<gap>[ \u00a0.-])\d\d(?:(?P=gap)\d\d){{3}}     # 01 23 45 67 89
            | 0[1-9][ \u00a0-]\d(?:[ \u00a0]?\d){{6,8}}               # 06-12345678
            | 0[1-9]\d{{8,10}}                                        # 01701234567
        )
        | (?:1[-. ])?(?:\([2-9]\d\d\)\ ?|[2-9]\d\d[-. ])\d{{3}}[-. ]\d{{4}}  # (555) 123-4567
        | 1[3-9]\d[- ]\d{{4}}[- ]\d{{4}}                              # 138 1234 5678
        | [6-9]\d\d\ \d\d\ \d\d\ \d\d                                 # 612 34 56 78
    )(?!\w|[,.]\d)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_CODE = re.compile(
    r"(?:order|invoice|ticket|refe?r?e?n?c?e?|article|item|parcel|tracking|serial|sku|ean|isbn|id|account|customer"
    r"|bestellung|bestellnummer|auftrag|rechnung|artikel|kundennummer|sendung|commande|facture|colis|pedido|factura)"
    r"(?:[ _-]?(?:number|no|nr|num|id|code|nummer|numéro|número|n°))?[\s.:#]{0,3}$",
    re.IGNORECASE,
)
_BEFORE = 32  # characters before a number that may say what it is


def masked(text: str) -> str:
    """Replace e-mail addresses, phone numbers, card numbers and IBANs.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        With ``[email]``, ``[phone]``, ``[card]`` and ``[iban]`` in their place. Card numbers pass the Luhn check and
        IBANs have the length of their country and pass the mod 97 check (ISO 13616); phone numbers are recognised by
        the ways in which they are written, since no check tells them from other numbers. Order numbers, dates, prices
        and identifiers stay.

    Examples
    --------
    >>> masked("Write to anna@example.com or call +49 30 1234567, order 4711 of 2024-05-01.")
    'Write to [email] or call [phone], order 4711 of 2024-05-01.'
    """
    if "@" in text:
        text = _EMAIL.sub("[email]", text)
    if _has_digits(text):
        text = _without_ibans(text)
        text = _CARD.sub(_card, text)
        text = _PHONE.sub(_phone, text)
    return text


_has_digits = re.compile(r"\d").search


def _without_ibans(text: str) -> str:
    parts, position = [], 0
    for match in _IBAN.finditer(text):
        start = match.start()
        if start >= position and (end := _iban_end(text, start, _IBAN_LENGTHS[match[0][:2].upper()])):
            parts += [text[position:start], "[iban]"]
            position = end
    return "".join([*parts, text[position:]]) if parts else text


def _iban_end(text: str, start: int, length: int) -> int | None:
    """Where an IBAN of so many characters ends; None where there is none."""
    body = _IBAN_BODY.match(text, start)
    if body is None:
        return None
    places = [place for place in range(body.start(), body.end()) if text[place].isalnum()][:length]
    code = "".join(text[place] for place in places).upper()
    end = places[-1] + 1
    if len(code) < length or not code.isascii() or text[end : end + 1].isalnum():
        return None
    digits = "".join(str(int(character, 36)) for character in code[4:] + code[:4])
    return end if int(digits) % 97 == 1 else None


def _card(match: re.Match[str]) -> str:
    text = match[0]
    places = [place for place, character in enumerate(text) if character.isdigit()]
    following = match.string[match.end() : match.end() + 1]
    for length in (19, 16, 15, 14, 13):
        if length > len(places):
            continue
        end = places[length - 1] + 1
        digits = "".join(text[place] for place in places[:length])
        after = text[end : end + 1] or following
        if not after.isalnum() and _BRANDS.fullmatch(digits) and _passes_luhn(digits):
            return f"[card]{text[end:]}"
    return text


def _passes_luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def _phone(match: re.Match[str]) -> str:
    if match["said"] is not None:
        return f"{match['said']}[phone]"
    is_code = not match[0].lstrip("(").startswith("+") and _CODE.search(
        match.string[max(0, match.start() - _BEFORE) : match.start()]
    )
    return match[0] if is_code else "[phone]"
