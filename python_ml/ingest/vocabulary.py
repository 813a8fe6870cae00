"""Words in column names, and what they suggest. Names are hints: values decide."""

from __future__ import annotations

from python_ml.names import words


def word_set(text: str) -> frozenset[str]:
    """Words, as written apart by blanks."""
    return frozenset(text.split())


PERSONS = word_set(
    "customer cust client user member account acct subscriber buyer shopper patient player guest contact consumer "
    "person household donor student tenant passenger rider driver visitor policyholder kunde kunden mitglied klant "
    "cliente usuario utilisateur company organisation organization org shop merchant seller msisdn"
)
IDENTIFIERS = word_set("id ids no nr num number code key uuid guid nummer ref sku ean isbn hash")
# Written without a break, such as custid or userno.
_JOINED = tuple(
    f"{person}{suffix}" for person in PERSONS for suffix in ("id", "no", "nr", "num", "key", "code", "number", "nummer")
)

TIMES = word_set("date datetime timestamp time ts at on dt day when datum fecha fecha_hora tag moment period month")
HAPPENINGS = word_set(
    "order ordered invoice purchase purchased transaction trans sale sold event visit session created opened "
    "submitted usage started start booking booked paid payment received log logged posted changed happened"
)
# Times that are not when the row happened.
OTHER_TIMES = word_set(
    "birth born dob birthday expiry expires expire expiration end ended ends until closed close resolved updated "
    "modified due deliver delivered delivery ship shipped shipping returned cancelled canceled last next first renewal "
    "effective scheduled planned valid deleted"
)
AVAILABILITY = word_set("available ingested loaded received synced arrived extracted inserted recorded etl load")

MONEY = word_set(
    "amount price value revenue sales total cost spend spent paid payment fee charge dollar dollars eur euro usd gbp "
    "mrr arr balance refund discount tax money turnover amt umsatz betrag"
)
TOTALS = word_set("amount total revenue sales value spend spent paid turnover amt umsatz betrag")
QUANTITIES = word_set("quantity qty units items pieces menge anzahl cantidad count")
# Numbers of which a sum says nothing.
LEVELS = word_set(
    "price rate ratio percent percentage pct share score rating satisfaction age temperature avg average mean median "
    "level index balance seats mrr arr stars rank duration_avg"
)
NOT_MEASURES = word_set(
    "year month day week hour weekday zip postcode postal plz phone fax latitude longitude lat lon lng"
)
OUTCOMES = word_set(
    "churn churned churns attrition attrited retained retention cancelled canceled closed lapsed exited left target "
    "label outcome inactive terminated unsubscribed"
)


def time_score(name: str) -> float:
    """How much a name looks like the time of an event, -2 to 3."""
    parts = words(name)
    if {"valid", "effective"} & set(parts) and {"from", "since"} & set(parts):
        return 2.0  # a version of a history happens when it begins to hold
    score = 2.0 if any(part in TIMES for part in parts) else 0.0
    score += 1.0 if any(part in HAPPENINGS for part in parts) else 0.0
    return score - (3.0 if any(part in OTHER_TIMES | AVAILABILITY for part in parts) else 0.0)


def has_word(name: str, vocabulary: frozenset[str]) -> bool:
    """Whether a word of the name is in a vocabulary."""
    return any(part in vocabulary for part in words(name))


def is_quantity(name: str) -> bool:
    """Whether a name suggests how many pieces."""
    parts = words(name)
    return has_word(name, QUANTITIES) or parts[:2] == ["number", "of"] or parts[:2] == ["num", "of"]


def is_unit_price(name: str) -> bool:
    """Whether a name suggests the price of one piece."""
    parts = words(name)
    if not {"price", "cost", "preis", "rate"} & set(parts):
        return False
    return len(parts) == 1 or bool({"unit", "each", "item", "per", "piece", "list"} & set(parts))


# Things that have identifiers and are no customers.
OTHER_THINGS = word_set(
    "country region state city town district postcode zip area place location venue hall store branch warehouse site "
    "product item article sku stock category brand model plan tier package currency channel medium source campaign "
    "coupon promo promotion language platform device browser os app page url session visit event order invoice receipt "
    "transaction payment basket cart line ticket case message subscription contract offer employee agent team status "
    "reason type kind segment industry department meet match race film movie book song listing geo gender sex color "
    "colour size currency weekday month year ip cookie"
)
_SHORT = {
    "cust": "customer", "acct": "account", "acc": "account", "usr": "user", "org": "organization",
    "organisation": "organization", "sub": "subscription", "subs": "subscription", "prod": "product", "inv": "invoice",
    "txn": "transaction", "trans": "transaction", "ord": "order",
}  # fmt: skip
_PRODUCT_CODES = word_set("sku ean isbn")
_KEY_ENDINGS = ("uuid", "guid", "nummer", "number", "code", "key", "id", "no", "nr", "num")


def singular(word: str) -> str:
    """An English noun in the singular, by its ending."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def subject(name: str) -> tuple[str, ...]:
    """What a name is about, without the parts that mark it as a key.

    Examples
    --------
    >>> subject("customer_id"), subject("CustNo"), subject("subscriptions"), subject("id")
    (('customer',), ('customer',), ('subscription',), ())
    """
    parts = []
    for part in words(name):
        for ending in _KEY_ENDINGS:
            stem = part.removesuffix(ending)
            if stem != part and (stem in PERSONS or stem in _SHORT):
                part = stem
        if part not in IDENTIFIERS:
            parts.append(_SHORT.get(singular(part), singular(part)))
    # A code that is only given to products says what it is about.
    return tuple(parts) or (("product",) if _PRODUCT_CODES & set(words(name)) else ())


def person_score(name: str) -> float:
    """How much a name looks like the key of a customer, 0 to 3; joined spellings such as ``CLIENTNUM`` count."""
    parts, about = words(name), subject(name)
    if len(about) == 1 and about[0] in PERSONS and "".join(parts).endswith(_KEY_ENDINGS):
        return 3.0
    has_id = any(part in IDENTIFIERS for part in parts)
    # `customer_zip_code` is a place and `customer_order_id` an order: the last thing that is named counts.
    things = [part for part in about if part in PERSONS | OTHER_THINGS]
    if has_id and things and things[-1] in PERSONS:
        return 3.0
    if parts and parts[-1] in PERSONS:
        return 2.0
    return 0.5 if has_id else 0.0


def is_key_name(name: str) -> bool:
    """Whether a name marks a key: ``order_id``, ``CLIENTNUM``, ``id``; a quantity does not."""
    parts = words(name)
    joined = any(part.endswith(_KEY_ENDINGS) and subject(part) and subject(part)[0] in PERSONS for part in parts)
    return (joined or has_word(name, IDENTIFIERS)) and not is_quantity(name)


def is_named_after(column: str, table: str) -> bool:
    """Whether a column is named after what its table lists, whatever system the table comes from.

    Examples
    --------
    >>> is_named_after("order_id", "orders"), is_named_after("order_id", "app_orders"), is_named_after("id", "orders")
    (True, True, False)
    """
    about, listed = subject(column), subject(table)
    return bool(about) and listed[-len(about) :] == about


def name_score(child_column: str, parent_column: str, parent_table: str) -> float:
    """How much a column's name says that it points at a key, 0 to 1.

    ``customer_id`` points at ``customers.id`` as much as at ``accounts.customer_id``; two columns that are both called
    ``id`` have nothing in common.
    """
    child, key, table = subject(child_column), subject(parent_column), subject(parent_table)
    if not child:
        return 0.0
    if child == key:
        return 1.0
    if table and child == (table if len(child) > 1 else table[-1:]) and (not key or key == table[-len(key) :]):
        return 0.95
    about = key or table[-1:]
    if about and len(child) > len(about) and child[-len(about) :] == about:
        return 0.8
    if about and child[-1] in PERSONS and about[-1] in PERSONS:
        return 0.4
    return 0.0


# Texts that can mean nothing but a missing value, and numbers that are not finite: they do not say what a column is.
MISSING_MARKERS = ("n/a", "#n/a", "n.a.", "(blank)", "(null)", "#value!", "#ref!", "#div/0!", "\\n", "nan", "?", "??")
NOT_FINITE = tuple(f"{sign}{text}" for text in ("inf", "infinity", "nan") for sign in ("", "+", "-"))
PLACEHOLDERS = tuple(dict.fromkeys((*MISSING_MARKERS, *NOT_FINITE)))

CHURNED = word_set(
    "churn churned churns churner attrition attrited cancel cancelled canceled cancellation left leave leaves leaver "
    "lapsed lapse exit exited exits closed terminated termination inactive lost quit quits gone defected departed "
    "unsubscribed resigned dropped dormant"
)
RETAINED = word_set(
    "retained retain retention active renewed renew renewal renews stayed stay stays stayer staying kept loyal "
    "existing current subscribed remaining remained continued survived alive"
)
# What the rows of a table of departures are called, and what ends with them.
DEPARTURES = word_set("left leave departed departure departures churn churned cancellation cancellations exits")
RECORDS = word_set("event events record records log logs history list date dates reason reasons")
COVERING = word_set("subscription contract membership policy plan account customer member")
ENDS = word_set("end ended ends closed cancelled canceled cancel cancellation expired until terminated churned churn")
