"""Labels of all texts from labels of some: sampling, the classifier, its calibration and its figures."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, cohen_kappa_score, precision_recall_fscore_support

from python_ml.errors import UserError
from python_ml.model.calibration import one_thread_each
from python_ml.settings import TextLabel
from python_ml.text.labelling.classifier import LabelModel, _fit, agreement, learn
from python_ml.text.labelling.sampling import diverse, unit
from tests.python.text.labelled_texts import SENTIMENT, TOPIC, Texts, texts


def test_a_sample_has_every_group_of_texts_and_repeats() -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(12, 16))
    # Eleven rare groups beside one that has nearly everything: a random sample would miss most of them.
    group = np.r_[np.zeros(2_000, int), np.repeat(np.arange(1, 12), 4)]
    vectors = centres[group] + 0.05 * rng.normal(size=(len(group), 16))
    chosen = diverse(vectors, 40, seed=3)
    assert len(chosen) == len(set(chosen)) == 40
    assert set(group[chosen]) == set(range(12))
    assert (chosen == diverse(vectors, 40, seed=3)).all()
    assert (diverse(vectors[:5], 40) == np.arange(5)).all()
    assert len(diverse(np.ones((30, 4)), 7)) == 7  # one cluster has all texts
    assert len(diverse(np.empty((0, 4)), 7)) == 0


@pytest.fixture(scope="module")
def world() -> Texts:
    return texts(180)


@pytest.fixture(scope="module")
def topic(world: Texts) -> tuple[LabelModel, dict]:
    return learn(world.embeddings, world.frame["topic"], TOPIC, replicates=50)


def test_what_is_learnt_is_what_scikit_learn_says_and_survives_storage(world: Texts, topic: tuple) -> None:
    binary, is_app = TextLabel.model_validate(["yes", "no"]), np.where(world.frame["topic"] == "app", "yes", "no")
    cases = [(TOPIC, world.frame["topic"], topic), (binary, is_app, learn(world.embeddings, is_app, binary))]
    for label, values, (model, figures) in cases:
        code = np.array([label.values.index(value) for value in values])
        with one_thread_each():
            expected = _fit(unit(world.embeddings), code, 0).predict_proba(unit(world.embeddings))
        assert np.allclose(model.probabilities(world.embeddings), expected, atol=1e-12)
        again = LabelModel.from_json(model.to_json())
        assert again == model
        assert again.digest == model.digest
        assert figures["kappa"]["low"] > 0.7
    # A text gets the same bits alone and among others, as components of dbt need it.
    alone = np.concatenate([again.probabilities(row[None]) for row in world.embeddings[:20]])
    assert (alone == again.probabilities(world.embeddings)[:20]).all()


def test_scores_are_means_over_the_values(world: Texts, topic: tuple) -> None:
    model, _ = learn(world.embeddings, world.frame["sentiment"], SENTIMENT, replicates=0)
    applied, chances = model.apply(world.embeddings), model.probabilities(world.embeddings)
    assert np.allclose(applied["score"], chances[:, 2] - chances[:, 0], atol=1e-6)
    assert np.allclose(applied["probability"], chances.max(axis=1), atol=1e-6)
    assert (applied["value"] == world.frame["sentiment"]).mean() > 0.95
    assert model.apply(world.embeddings[:0]).empty
    assert topic[0].apply(world.embeddings)["score"].isna().all()


def test_probabilities_are_calibrated_on_texts_that_nobody_labelled() -> None:
    """Labels drawn by known probabilities: 600 of them teach what 20,000 others confirm, in every tenth."""
    rng = np.random.default_rng(4)
    vectors = unit(rng.normal(size=(20_600, 24)))
    logits = 9 * vectors @ rng.normal(size=(24, 3)) / np.sqrt(3)
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    values = np.array(TOPIC.values)[(chances.cumsum(axis=1) < rng.random((len(vectors), 1))).sum(axis=1)]
    model, figures = learn(vectors[:600], values[:600], TOPIC, replicates=200)
    applied = model.apply(vectors[600:])
    right = (applied["value"] == values[600:]).to_numpy()
    for rows in np.array_split(np.argsort(applied["probability"].to_numpy()), 10):
        assert applied["probability"].iloc[rows].mean() == pytest.approx(right[rows].mean(), abs=0.06)
    # What is said of held-out texts holds for the others.
    assert figures["accuracy"]["low"] < right.mean() < figures["accuracy"]["high"]
    assert figures["mean_probability"] == pytest.approx(right.mean(), abs=0.03)


def test_labels_without_meaning_agree_by_chance_alone() -> None:
    world = texts(300)
    values = np.random.default_rng(1).permutation(world.frame["topic"])
    _, figures = learn(world.embeddings, values, TOPIC, replicates=200)
    assert figures["kappa"]["low"] < 0 < figures["kappa"]["high"]
    assert figures["mean_probability"] < 0.5


def test_figures_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    given, chances = rng.integers(0, 3, 200), rng.dirichlet(np.ones(4), 200)
    chances[:, 1] = 0  # never predicted; the fourth class never given
    figures = agreement(given, chances, ["a", "b", "c", "d"], replicates=300)
    chosen = chances.argmax(axis=1)
    assert figures["accuracy"]["value"] == pytest.approx(accuracy_score(given, chosen))
    assert figures["kappa"]["value"] == pytest.approx(cohen_kappa_score(given, chosen))
    assert figures["kappa"]["low"] < figures["kappa"]["value"] < figures["kappa"]["high"]
    precision, recall, _, support = precision_recall_fscore_support(
        given, chosen, labels=range(4), zero_division=np.nan
    )
    for i, entry in enumerate(figures["classes"].values()):
        assert entry["labels"] == support[i]
        for figure, expected in ((entry["precision"], precision[i]), (entry["recall"], recall[i])):
            assert figure["value"] is None if np.isnan(expected) else figure["value"] == pytest.approx(expected)
    alike = agreement(np.zeros(9, int), np.tile([0.9, 0.1], (9, 1)), ["a", "b"], replicates=20)
    assert alike["accuracy"]["value"] == 1
    assert alike["kappa"] == {"value": None, "low": None, "high": None}


@pytest.mark.parametrize("count", [0, 3])
def test_too_few_labels_are_refused(count: int) -> None:
    world = texts(60)
    values = world.frame["topic"].to_numpy().copy()
    values[np.flatnonzero(values == "app")[count:]] = "billing"
    with pytest.raises(UserError, match=f"app has {count}; each value needs 4"):
        learn(world.embeddings, values, TOPIC, least=4)


def test_the_least_number_of_labels_is_enough() -> None:
    world = texts(60)
    rows = np.concatenate([np.flatnonzero(world.frame["topic"] == value)[:4] for value in TOPIC.values])
    _, figures = learn(world.embeddings[rows], world.frame["topic"].iloc[rows], TOPIC, least=4, replicates=20)
    assert figures["texts"] == 12
