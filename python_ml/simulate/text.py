"""What customers write to support: phrases put together by topic, tone and language, with slips of the pen.

The tone is what moves the hazard; the satisfaction score only hints at it and is often missing. So the text
holds signal that no number in the data holds.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from python_ml.simulate.world import COUNTRIES, TONES, TOPICS

LANGUAGES = ("en", "de", "fr", "es")
NATIVE = {"DE": "de", "FR": "fr", "ES": "es"}
WRITES_NATIVE, GREETS_NATIVE = 0.45, 0.65
TYPO_SHARE, LOWER_CASE_SHARE, SHOUTING_SHARE = 0.15, 0.12, 0.06

OPENINGS = {
    ("en", "bad"): [
        "Hello,",
        "Hi,",
        "",
        "Seriously?",
        "I am writing again because nothing happens.",
        "Dear team,",
    ],
    ("en", "neutral"): ["Hello,", "Hi,", "Hi there,", "", "Good morning,", "Dear team,"],
    ("en", "good"): ["Hello,", "Hi there!", "Hi,", "Dear team,", ""],
    ("de", "bad"): ["Hallo,", "Guten Tag,", ""],
    ("de", "neutral"): ["Hallo,", "Guten Tag,", "Moin,"],
    ("de", "good"): ["Hallo zusammen,", "Liebes Team,"],
    ("fr", "bad"): ["Bonjour,", ""],
    ("fr", "neutral"): ["Bonjour,", "Bonsoir,"],
    ("fr", "good"): ["Bonjour à tous,", "Bonjour,"],
    ("es", "bad"): ["Hola,", "Buenos días,", ""],
    ("es", "neutral"): ["Hola,", "Buenas tardes,"],
    ("es", "good"): ["¡Hola!", "Hola equipo,"],
}

BODIES = {
    ("en", "billing", "bad"): [
        "you charged me {amount} twice and nobody answers.",
        "the invoice is wrong for the {nth} time, I want my money back.",
        "I was billed {amount} for a delivery that I had cancelled. This is unacceptable.",
        "the price went up again and I was never asked. For {amount} I can go elsewhere.",
        'your "discount" never arrived, I still paid {amount}. I feel cheated.',
    ],
    ("en", "billing", "neutral"): [
        "could you send me the invoice over {amount} again?",
        "I would like to change my payment method to another card.",
        "on which day of the month will the {amount} be charged?",
        "please put our company name on the next invoice.",
    ],
    ("en", "delivery", "bad"): [
        "my order is {n} days late, and because of that I stood here with nothing.",
        "the parcel never came, although it is marked as delivered. Very disappointing.",
        "the driver left the {item} in the rain, everything was ruined.",
        "the delivery on {day} was missed again. I took a day off for this!",
        "I have been waiting {n} days now and support keeps sending the same answer.",
    ],
    ("en", "delivery", "neutral"): [
        "can I move my delivery to {day}?",
        "please leave the parcel with the neighbours this week.",
        "is it possible to get the delivery {n} hours earlier?",
        "where do I see when my order arrives?",
    ],
    ("en", "quality", "bad"): [
        "the {item} was spoiled when it arrived, really disgusting.",
        "half of the {item} was broken and the box smelled awful.",
        "the quality has become worse and worse, {n} bad orders in a row.",
        "what I received has nothing to do with the picture of the {item}.",
        "I threw the {item} away. Not worth the money.",
    ],
    ("en", "quality", "neutral"): [
        "does the {item} contain nuts?",
        "how long does the {item} keep once it is opened?",
    ],
    ("en", "app", "bad"): [
        "the app crashes each time I open my basket, {n} times today.",
        "I cannot log in since the update, and the reset mail does not come. Useless.",
        "the app lost my order again, I am fed up.",
        "your website threw me out while I was paying {amount}.",
    ],
    ("en", "app", "neutral"): [
        "how do I switch on the reminder in the app?",
        "is there a dark mode for the app?",
        "where can I change my address in the app?",
    ],
    ("en", "question", "neutral"): [
        "can I pause my plan for {n} weeks?",
        "do you also deliver to my office?",
        "what is the difference between the standard and the premium plan?",
        "can I give {item} to a friend as a present?",
        "from when on is the new season's {item} available?",
    ],
    ("en", "question", "good"): [
        "we love the {item}! Will there be more kinds of it?",
        "my sister wants to join as well, is there a bonus for her?",
        "can I order {n} more boxes of the last kind? They were great.",
    ],
    ("en", "praise", "good"): [
        "the {item} was wonderful, thank you!",
        "great service on {day}, the driver was so friendly.",
        "I just wanted to say that everything has been perfect for {n} months.",
        "thanks for the quick refund of {amount}, very kind.",
        "best {item} in town, we recommend you to all our friends.",
    ],
    ("de", "billing", "bad"): [
        "Sie haben {amount} doppelt abgebucht und keiner antwortet.",
        "schon wieder teurer, ohne zu fragen. Das ist eine Frechheit.",
    ],
    ("de", "delivery", "bad"): [
        "meine Bestellung ist seit {n} Tagen überfällig, sehr ärgerlich.",
        "das Paket kam nie an, obwohl es als zugestellt gilt. Wirklich enttäuschend.",
    ],
    ("de", "quality", "bad"): [
        "die Ware war verdorben, einfach eklig.",
        "zum {n}. Mal kaputt geliefert, die Qualität ist schlecht geworden.",
    ],
    ("de", "app", "bad"): ["die App stürzt ständig ab, so kann ich nicht bestellen."],
    ("de", "question", "neutral"): [
        "kann ich mein Abo für {n} Wochen pausieren?",
        "liefern Sie auch ins Büro?",
    ],
    ("de", "delivery", "neutral"): ["kann ich die Lieferung um {n} Tage verschieben?"],
    ("de", "praise", "good"): ["alles bestens, vielen Dank!", "super Service, seit {n} Monaten zufrieden."],
    ("fr", "billing", "bad"): ["vous avez prélevé {amount} deux fois, c'est inadmissible."],
    ("fr", "delivery", "bad"): [
        "ma commande a {n} jours de retard, je suis très déçue.",
        "le colis n'est jamais arrivé, personne ne répond.",
    ],
    ("fr", "quality", "bad"): ["les produits étaient abîmés, vraiment mauvais."],
    ("fr", "question", "neutral"): ["est-ce que je peux suspendre mon abonnement {n} semaines ?"],
    ("fr", "praise", "good"): ["tout était parfait, merci beaucoup !"],
    ("es", "billing", "bad"): ["me cobraron {amount} dos veces y nadie contesta."],
    ("es", "delivery", "bad"): [
        "mi pedido lleva {n} días de retraso, es una vergüenza.",
        "el paquete no llegó nunca, muy decepcionado.",
    ],
    ("es", "quality", "bad"): ["el producto llegó roto y en mal estado."],
    ("es", "question", "neutral"): ["¿puedo pausar mi plan {n} semanas?"],
    ("es", "praise", "good"): ["todo perfecto, ¡muchas gracias!"],
}

CLOSINGS = {
    ("en", "bad"): [
        "", "", "Cancel it if you cannot fix it.", "I expect an answer today.", "This is the last time.",
        "Very unhappy.", "Please just sort it out.",
    ],
    ("en", "neutral"): ["", "", "Thanks in advance.", "Thank you.", "Best regards", "No hurry."],
    ("en", "good"): ["", "Keep it up!", "Thanks a lot!", "Have a nice day.", ":-)"],
    ("de", "bad"): ["", "So nicht.", "Ich überlege zu kündigen."],
    ("de", "neutral"): ["", "Danke und Gruß"],
    ("de", "good"): ["", "Weiter so!"],
    ("fr", "bad"): ["", "J'attends une réponse."],
    ("fr", "neutral"): ["", "Merci d'avance."],
    ("fr", "good"): ["", "Bonne journée !"],
    ("es", "bad"): ["", "Quiero una solución ya."],
    ("es", "neutral"): ["", "Gracias."],
    ("es", "good"): ["", "Un saludo"],
}  # fmt: skip

SLOTS = {
    "n": [str(number) for number in range(2, 10)],
    "nth": ["second", "third", "fourth", "fifth"],
    "day": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"],
    "item": [
        "coffee",
        "bread",
        "fruit box",
        "olive oil",
        "cat food",
        "face cream",
        "detergent",
        "cheese",
        "tea",
    ],
    "amount": [f"{euros}.{cents}" for euros in (9, 14, 19, 24, 27, 33, 39, 48, 62) for cents in ("50", "90", "95")],
}

TYPOS = (
    ("delivery", "delivrey"),
    ("because", "becuase"),
    ("received", "recieved"),
    ("really", "realy"),
    ("the ", "teh "),
    ("again", "agian"),
    ("disappointing", "dissapointing"),
)


class Phrases:
    """Lists of phrases in groups, each phrase with at most one slot, drawn for many rows at once."""

    def __init__(self, groups: list[list[str]]) -> None:
        phrases = [phrase for group in groups for phrase in group]
        parts = [re.split(r"\{(\w+)\}", phrase) for phrase in phrases]
        assert all(len(part) in (1, 3) for part in parts), "a phrase has at most one slot"
        self._counts = np.array([len(group) for group in groups])
        self._firsts = np.cumsum(self._counts) - self._counts
        self._heads = pa.array([part[0] for part in parts])
        self._tails = pa.array([part[2] if len(part) > 1 else "" for part in parts])
        fillings = {"": [""], **SLOTS}
        sizes = {slot: len(values) for slot, values in fillings.items()}
        firsts = dict(zip(sizes, np.cumsum(list(sizes.values())) - list(sizes.values()), strict=True))
        slots = [part[1] if len(part) > 1 else "" for part in parts]
        self._fillings = pa.array([value for values in fillings.values() for value in values])
        self._filling_firsts = np.array([firsts[slot] for slot in slots])
        self._filling_counts = np.array([sizes[slot] for slot in slots])

    def draw(self, group: np.ndarray, chance: np.ndarray) -> pa.Array:
        """One phrase per row.

        Parameters
        ----------
        group : ndarray of shape (n,)
            Number of the group to draw from.
        chance : ndarray of shape (2, n)
            Uniform numbers: which phrase, which filling of its slot.
        """
        phrase = self._firsts[group] + np.floor(chance[0] * self._counts[group]).astype(np.int64)
        filling = np.floor(chance[1] * self._filling_counts[phrase]).astype(np.int64)
        filling += self._filling_firsts[phrase]
        taken = pa.array(phrase)
        return pc.binary_join_element_wise(
            self._heads.take(taken), self._fillings.take(pa.array(filling)), self._tails.take(taken), ""
        )


def _bodies(language: str, topic: str, tone: str) -> list[str]:
    """The phrases of a group; what a language lacks is said in English, what a tone lacks in another tone."""
    for key in (
        (language, topic, tone),
        ("en", topic, tone),
        ("en", topic, "neutral"),
        ("en", topic, "good"),
    ):
        if key in BODIES:
            return BODIES[key]
    raise KeyError((language, topic, tone))


_OPENINGS = Phrases([OPENINGS[language, tone] for language in LANGUAGES for tone in TONES])
_CLOSINGS = Phrases([CLOSINGS[language, tone] for language in LANGUAGES for tone in TONES])
_BODIES = Phrases([_bodies(language, topic, tone) for language in LANGUAGES for topic in TOPICS for tone in TONES])
_LANGUAGE_OF_COUNTRY = np.array([LANGUAGES.index(NATIVE.get(country, "en")) for country in COUNTRIES])


def compose(rng: np.random.Generator, topic: np.ndarray, tone: np.ndarray, country: np.ndarray) -> pa.Array:
    """Write the tickets' bodies.

    Parameters
    ----------
    rng : numpy.random.Generator
    topic, tone, country : ndarray of shape (n,)
        Codes into ``TOPICS``, ``TONES`` and ``COUNTRIES``.

    Returns
    -------
    pyarrow.StringArray of length n
        One line each, without line breaks.
    """
    n = topic.size
    chance = rng.random((9, n))
    native = _LANGUAGE_OF_COUNTRY[country]
    writes = np.where(chance[0] < WRITES_NATIVE, native, 0)
    greets = np.where(chance[0] < GREETS_NATIVE, native, 0)  # who writes in it also greets in it
    sentence = _BODIES.draw((writes * len(TOPICS) + topic) * len(TONES) + tone, chance[1:3])
    opening = _OPENINGS.draw(greets * len(TONES) + tone, chance[3:5])
    # Without a greeting, or after a full stop, a sentence begins with a capital.
    bare = pc.invert(pc.ends_with(opening, ","))
    sentence = pc.if_else(bare, _capital(sentence), sentence)
    closing = _CLOSINGS.draw(writes * len(TONES) + tone, chance[5:7])
    body = pc.utf8_trim(pc.binary_join_element_wise(opening, sentence, closing, " "), " ")

    slip = chance[7]
    typo = np.where(slip < TYPO_SHARE, np.floor(slip / TYPO_SHARE * len(TYPOS)), -1)
    for index, (right, wrong) in enumerate(TYPOS):
        body = _where(typo == index, body, lambda text, a=right, b=wrong: pc.replace_substring(text, a, b))
    shouting = (chance[8] > 1 - SHOUTING_SHARE) & (tone == TONES.index("bad"))
    body = _where(chance[8] < LOWER_CASE_SHARE, body, pc.utf8_lower)
    return _where(shouting, body, pc.utf8_upper)


def _capital(text: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(
        pc.utf8_upper(pc.utf8_slice_codeunits(text, 0, 1)), pc.utf8_slice_codeunits(text, 1), ""
    )


def _where(mask: np.ndarray, text: pa.Array, change) -> pa.Array:
    """Apply ``change`` to the rows of the mask."""
    if not mask.any():
        return text
    where = pa.array(mask)
    return pc.replace_with_mask(text, where, change(text.filter(where)))
