"""What the names of columns and tables say about which column points at which key."""

from __future__ import annotations

from python_ml import vocabulary
from python_ml.names import words

_SHORT = {
    "cust": "customer", "acct": "account", "acc": "account", "usr": "user", "org": "organization",
    "organisation": "organization", "sub": "subscription", "subs": "subscription", "prod": "product",
    "inv": "invoice", "txn": "transaction", "trans": "transaction", "ord": "order",
}  # fmt: skip
_ENDINGS = ("uuid", "guid", "number", "code", "num", "key", "id", "no", "nr")


def subject(name: str) -> tuple[str, ...]:
    """What a name is about, without the parts that mark it as a key.

    Examples
    --------
    >>> subject("customer_id"), subject("CustNo"), subject("subscriptions"), subject("id")
    (('customer',), ('customer',), ('subscription',), ())
    """
    parts = []
    for word in words(name):
        for ending in _ENDINGS:
            stem = word.removesuffix(ending)
            if stem != word and (stem in vocabulary.PERSONS or stem in _SHORT):
                word = stem
        if word not in vocabulary.IDENTIFIERS:
            parts.append(_SHORT.get(_singular(word), _singular(word)))
    return tuple(parts)


def is_key_name(name: str) -> bool:
    """Whether a name marks a key: ``order_id``, ``CLIENTNUM``, ``id``; a quantity does not."""
    parts = words(name)
    joined = any(part.endswith(_ENDINGS) and subject(part) and subject(part)[0] in vocabulary.PERSONS for part in parts)
    return (joined or vocabulary.has_word(name, vocabulary.IDENTIFIERS)) and not vocabulary.is_quantity(name)


def person_score(name: str) -> float:
    """How much a name says the key of a customer, 0 to 3, joined spellings such as ``CLIENTNUM`` included."""
    about = subject(name)
    if len(about) == 1 and about[0] in vocabulary.PERSONS and "".join(words(name)).endswith(_ENDINGS):
        return 3.0
    return vocabulary.person_score(name)


def is_named_after(column: str, table: str) -> bool:
    """Whether a column is named after what its table lists, whatever system the table comes from.

    Examples
    --------
    >>> is_named_after("order_id", "orders"), is_named_after("order_id", "app_orders"), is_named_after("id", "orders")
    (True, True, False)
    """
    about, listed = subject(column), subject(table)
    return bool(about) and listed[-len(about) :] == about


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


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
    if about and child[-1] in vocabulary.PERSONS and about[-1] in vocabulary.PERSONS:
        return 0.4
    return 0.0
