"""Personal data, recognised by names and by the shapes of values."""

from __future__ import annotations

from python_ml.names import name_parts

PERSONAL = ("email", "phone", "personal")  # meanings of columns that are counted, but neither shown nor used
ENOUGH = 0.8  # share of values that must have the shape
PATTERNS = {
    "email": r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}",
    "phone": r"(\+|00|\(|0)[0-9()\s./-]{6,20}|[0-9]{3}[-. ][0-9]{3}[-. ][0-9]{4}",
    "ip address": r"([0-9]{1,3}\.){3}[0-9]{1,3}",
    "iban": r"[A-Z]{2}[0-9]{2}[A-Z0-9 ]{11,32}",
    "card number": r"[0-9]{4}([ -][0-9]{4}){3}|[0-9]{3}-[0-9]{2}-[0-9]{4}",
}
_NAMES = {
    "email": ({"email"}, {"mail"}),
    "phone": ({"phone"}, {"telephone"}, {"mobile"}, {"tel"}, {"fax"}, {"msisdn"}),
    "name": (
        {"first", "name"}, {"last", "name"}, {"full", "name"}, {"given", "name"}, {"surname"}, {"firstname"},
        {"lastname"}, {"fullname"}, {"customer", "name"}, {"vorname"}, {"nachname"},
    ),
    "address": ({"address"}, {"street"}, {"postcode"}, {"zip"}, {"zipcode"}, {"postal"}),
    "birth date": ({"birth"}, {"dob"}, {"birthday"}, {"birthdate"}, {"born"}),
    "id document": ({"passport"}, {"ssn"}, {"social", "security"}, {"tax", "id"}, {"iban"}),
}  # fmt: skip


def personal_by_name(name: str) -> str | None:
    """What personal data a column's name suggests."""
    parts = set(name_parts(name))
    for kind, sets in _NAMES.items():
        if any(wanted <= parts for wanted in sets):
            return kind
    return None
