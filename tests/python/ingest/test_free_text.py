"""Free text against everything else that is written in letters, column by column; and languages."""

from __future__ import annotations

import csv
from itertools import product

import pytest

from python_ml.ingest import DataArgument, open_tables, scratch_connection
from python_ml.ingest.free_text import described_as, language_shares
from python_ml.ingest.schema import Column, Reading
from python_ml.ingest.semantics import described


def words(text: str) -> list[str]:
    return text.split()


FIRST = words("Anna Hans Marie Juan Giulia Wei Priya Olga Peter Laura Ines Tariq Bo Sven Kofi Zeynep")
LAST = words("Schmidt Dubois García Rossi Zhang O'Brien Van-Dyke Petrova Okafor Yılmaz Lindqvist Brown")
PLACES = words("Oak Elm Station High Mill Church Park King Lake Hill Queen River Field Spring Bridge Green")
THINGS = words("heart lantern cushion clock bunting doorstop jigsaw teapot hanger candle ribbon basket mug frame")
COLOURS = words("red white ivory blue vintage retro wooden glass metal large small pink hanging paisley")
PROBLEMS = [
    "The {} arrived broken and nobody answers", "I was billed twice for the {}, please help", "where is my {}???",
    "<p>Hello,<br>the {} does not work &amp; I want my money back</p>", "Love the {} 😍😍", "ok, {} it is",
]  # fmt: skip
GERMAN = ["Das {} ist leider kaputt angekommen", "Wo ist mein {}?", "Ich habe das {} nicht bestellt, bitte stornieren"]
FRENCH = ["Je n'ai jamais reçu le {}", "Le {} est très beau, merci", "Où est mon {} ?"]
CHINESE = ["这个{}坏了，我很不高兴", "请问我的{}什么时候到", "{}很好，谢谢你们的帮助"]
RUSSIAN = ["Где мой {}? Я жду уже неделю", "{} не работает, верните деньги", "Спасибо, {} очень хороший"]
KOREAN = ["{} 배송이 아직 오지 않았습니다", "{}를 환불해 주세요", "{}는 아주 좋습니다 감사합니다"]
ARABIC = ["لم يصل {} حتى الآن", "أين {} من فضلك", "شكرا {} جيد جدا في كل شيء"]
JAPANESE = ["{}が壊れています。返品したいです", "{}はいつ届きますか", "とても良い{}でした。ありがとう"]
MIXED = [*PROBLEMS, *GERMAN, *FRENCH]


def filled(patterns, things=(*THINGS, *COLOURS)):
    return [pattern.format(thing) for thing in things for pattern in patterns]


def pairs(left, right, pattern="{} {}"):
    return [pattern.format(a, b) for a, b in product(left, right)]


NUMBERED = range(1, 200)
TEXTS = {
    "tickets": ("body", filled(PROBLEMS)),
    "tickets without a telling name": ("col7", filled(PROBLEMS)),
    "four languages": ("x", filled(MIXED)),
    "German": ("x", filled(GERMAN)),
    "Chinese": ("x", filled(CHINESE, words("杯子 灯 书 手机 电脑 鞋 包裹 衣服 桌子 椅子 耳机 相机 钟"))),
    "Japanese": ("x", filled(JAPANESE, words("時計 本 靴 服 机 椅子 鞄 皿 花瓶 電話 カメラ ランプ"))),
    "Russian": ("x", filled(RUSSIAN, words("заказ стол чай стул час ковёр шкаф диван плед нож стакан лампа"))),
    "Korean": ("x", filled(KOREAN, words("상자 램프 컵 의자 시계 책 신발 옷 가방 전화기 카메라 접시"))),
    "Arabic": ("x", filled(ARABIC, words("الطلب الكرسي الكتاب المصباح الحذاء الهاتف الساعة القميص الحقيبة"))),
    "mails in HTML": ("x", [f"<html><body><p>My {t} {n} is lost</p></body></html>" for t in THINGS for n in (1, 2)]),
    "sentences with semicolons": ("x", [f"my {t} is late; please send {n} others" for t in THINGS for n in (1, 2)]),
    "short answers among others": ("comment", [*filled(PROBLEMS), "ok", "thanks", "Thx!", "👍", "good", "no"] * 3),
    "product descriptions": (
        "description",
        [f"{c.upper()} {t.upper()} {o.upper()} HOLDER" for c in COLOURS for t in THINGS for o in COLOURS[:4]],
    ),
    "product names": ("name", [f"{c} {t} in {o} tissue" for c in COLOURS for t in THINGS for o in COLOURS[:3]]),
    "notes with numbers and dates": (
        "notes", [f"Called on 2024-01-{n:02d}, wants {n} boxes of the {t}" for n in range(10, 20) for t in THINGS]
    ),
    "lower case without punctuation": ("x", [f"cant log in since {t} update {c}" for t in THINGS for c in COLOURS]),
}  # fmt: skip
OTHERS = {
    "names of persons": ("contact", pairs(FIRST, LAST), "personal"),
    "names that come back": ("artist", pairs(FIRST, LAST) * 5, "nominal"),
    "names, last name first": ("who", pairs(LAST, FIRST, "{}, {}"), "personal"),
    "names of companies": ("account", pairs(LAST, ["Ltd", "GmbH", "Holdings Inc", "Partners LLC", "AG"]), "nominal"),
    "addresses": ("location", [f"{n} {p} Street, Springfield" for n in range(1, 15) for p in PLACES], "personal"),
    "German addresses": ("ort", [f"{p}straße {n}, 10115 Berlin" for n in range(1, 15) for p in PLACES], "personal"),
    "French addresses": ("lieu", [f"{n} rue de la {p}, 75002 Paris" for n in range(1, 15) for p in PLACES], "personal"),
    "Chinese addresses": ("x", [f"上海市浦东新区世纪大道路{n}号" for n in NUMBERED], "personal"),
    "codes": ("x", [f"AB-{n:04d}-CD" for n in NUMBERED], "identifier"),
    "codes with blanks": ("x", [f"AB {n:04d} CD {n % 7}" for n in NUMBERED], "nominal"),
    "categories": ("x", ["Home and garden", "Toys", "Food & drink", "For the office"] * 50, "nominal"),
    "long categories that repeat": ("reason", [f"Not satisfied with the {t}" for t in THINGS] * 40, "nominal"),
    "levels": ("x", [f"Home > {c} > {t}" for c in COLOURS for t in THINGS], "nominal"),
    "JSON": ("payload", [f'{{"page": "the home of {t}", "n": {n}}}' for n in range(9) for t in THINGS], "nominal"),
    "URLs": ("x", [f"https://example.com/the/page/of/{n}?ref=you" for n in NUMBERED], "identifier"),
    "paths": ("x", [f"/home/user/my documents/the file {n}.txt" for n in NUMBERED], "nominal"),
    "Windows paths": ("x", [rf"C:\Users\me\the report {n}.docx" for n in NUMBERED], "nominal"),
    "queries": ("x", [f"select * from {t} where {c} = 1" for t in THINGS for c in COLOURS], "nominal"),
    "XML": ("x", [f"<order><item>the {t} and {c}</item></order>" for t in THINGS for c in COLOURS], "nominal"),
    "days in words": ("x", [f"Monday, {n % 28 + 1} January {1900 + n}, at noon" for n in NUMBERED], "nominal"),
    "browsers": ("x", [f"Mozilla/5.0 (X11; Linux {n}) Gecko (like the others)" for n in NUMBERED], "nominal"),
    "dates in words": ("x", [f"{n % 28 + 1}th of May {1900 + n}, in the morning"[:-15] for n in NUMBERED], "nominal"),
    "job titles": ("x", pairs(["Senior", "Junior", "Lead", "Chief"], THINGS, "{} {} Engineer".title()), "nominal"),
    "numbers with units": ("x", [f"{n} kg" for n in NUMBERED], "nominal"),
    "answers": ("comment", ["ok", "thanks", "good", "bad", "no idea"] * 60, "nominal"),
    "cities": ("x", pairs(["New", "Old", "Upper", "East"], PLACES), "nominal"),
}  # fmt: skip


def column(name, values):
    spaced = sum(" " in value for value in values) / len(values)
    return Column(
        name, name, "text", Reading("text"), len(values), len(values), len(set(values)),
        sum(map(len, values)) / len(values), spaced,
    )  # fmt: skip


@pytest.mark.parametrize("case", TEXTS)
def test_free_text(case):
    name, values = TEXTS[case]
    result = described(column(name, values), values)
    assert (result.semantic, result.values) == ("text", ()), result.because


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_written_in_letters_and_no_free_text(case):
    name, values, expected = OTHERS[case]
    result = described(column(name, values), values)
    assert result.semantic == expected, result.because


def test_the_tickets_of_the_demo(repository):
    with (repository / "seeds" / "raw_support__tickets.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    kinds = {
        name: described_as(name, len(set(values)), len(values), values[:1000])[0]
        for name in rows[0]
        if (values := [row[name] for row in rows if row[name]])
    }
    assert {name for name, kind in kinds.items() if kind == "text"} == {"body"}
    shares = language_shares(row["body"] for row in rows if row["body"])
    assert list(shares)[:4] == ["en", "de", "fr", "es"]
    assert sum(shares.values()) == pytest.approx(1, abs=0.001)


@pytest.mark.parametrize(
    ("values", "shares"),
    [
        (["The box is broken", "Wo ist mein Paket?", "Où est mon colis ?", "¿Dónde está mi caja?"], "en de fr es"),
        (["这个坏了"], "zh"),
        (["これは壊れています"], "ja"),
        (["이것은 고장났습니다"], "ko"),
        (["Где моя посылка?"], "ru"),
        (["<p>the box is <b>broken</b> and I want another</p>"], "en"),
        (["thanks"], "en"),
        (["xyzzy", "👍", "12345"], "unknown"),
    ],
)
def test_languages(values, shares):
    assert language_shares(values) == dict.fromkeys(sorted(shares.split()), round(1 / len(shares.split()), 4))


def test_a_word_of_several_languages_counts_for_the_one_of_the_column():
    german = ["Die Lieferung ist nicht angekommen", "Wo ist mein Paket?"] * 20
    assert language_shares([*german, "in die", "was"]) == {"de": 1.0}


def test_no_value_says_nothing():
    assert described_as("body", 0, 0, []) == ("", "")
    assert language_shares([]) == {}


def test_descriptions_of_products_that_repeat(repository):
    path = repository.parent / "shared" / "data" / "online_retail" / "year_2009_2010.parquet"
    if not path.is_file():
        pytest.skip("the data of Online Retail is not present")
    with scratch_connection() as connection:
        (table,) = open_tables(connection, [DataArgument(path)])
    column = table.column("description")
    assert (column.semantic, column.distinct > 4000) == ("text", True)
    assert {c.raw_name for c in table.columns if c.semantic == "text"} == {"description"}
