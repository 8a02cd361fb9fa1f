"""A folder of Hugging Face: a tiny model made here of a configuration, asked as the pipeline asks it, through every job."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import backslide as bs
from backslide.contracts.errors import ModelError
from backslide.models.load import load_model

pytestmark = pytest.mark.filterwarnings("ignore")  # the frameworks warn of themselves

ABOUT = ["invoice", "charged", "refund", "card", "password", "reset", "locked", "account"]
WORDS = [*ABOUT, "the", "a", "please", "look", "at", "this", "now", "since"]
TOPICS = {"billing": WORDS[:4], "login": WORDS[4:8]}
ROLES = bs.Roles(label="topic", prediction="prediction", timestamp="at", features=("text",))


def month(number: int, rows: int = 700) -> pd.DataFrame:
    rng = np.random.default_rng(number)
    topics = rng.choice(list(TOPICS), rows)
    texts = [" ".join([*rng.choice(WORDS[8:], rng.integers(2, 9)), *rng.choice(TOPICS[one], 3)]) for one in topics]
    return pd.DataFrame(
        {"at": pd.date_range(f"2026-0{number}-01", periods=rows, freq="50min"), "text": texts, "topic": topics}
    )


def save(folder: Path, *, named: bool = True, length: int = 16, lower: bool = True, swap: bool = False) -> None:
    """A BERT of one layer whose answer rests on the words of the topics; ``swap`` exchanges what it says."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: k for k, word in enumerate(special + WORDS)}
    plain = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    if lower:
        plain.normalizer = normalizers.Lowercase()
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    plain.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_max_length=length,
    )
    torch.manual_seed(0)
    labels = (
        {"id2label": dict(enumerate(TOPICS)), "label2id": {one: k for k, one in enumerate(TOPICS)}} if named else {}
    )
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
        num_labels=2,
        **labels,
    )
    model = BertForSequenceClassification(config)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    past = month(1, 320)
    truth = torch.tensor([list(TOPICS).index(one) for one in past["topic"]])
    tokens = tokenizer(past["text"].tolist(), padding=True, truncation=True, return_tensors="pt")
    for _ in range(40):
        optimiser.zero_grad()
        model(**tokens, labels=1 - truth if swap else truth).loss.backward()
        optimiser.step()
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models: the one that served, one with nameless labels, one whose tokenizer minds case, one that says the opposite."""
    folder = tmp_path_factory.mktemp("models")
    for name, options in (
        ("v1", {}),
        ("plain", {"named": False}),
        ("cased", {"lower": False}),
        ("wrong", {"swap": True}),
    ):
        save(folder / name, **options)
    return folder


@pytest.fixture(autouse=True)
def _here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)


def served(rows: pd.DataFrame, name: str = "v1") -> pd.DataFrame:
    """Rows with what the pipeline answers to their texts."""
    from transformers import pipeline

    ask: Any = pipeline("text-classification", model=name, device="cpu")
    answers = ask(rows["text"].tolist(), truncation=True)
    return rows.assign(prediction=[one["label"] for one in answers], certainty=[one["score"] for one in answers])


def test_it_answers_like_the_pipeline_long_texts_too():
    rows = month(2, 120)
    rows["text"] = [*rows["text"][:60], *(f"{text} {' please' * 20} password" for text in rows["text"][60:])]
    logged = served(rows)
    model = load_model("v1")
    assert (model.takes, model.classes) == ("text", ("billing", "login"))
    import polars as pl

    answer = model.answer(pl.DataFrame({"text": rows["text"].tolist()}))
    assert answer.error is None
    assert (answer.predictions == logged["prediction"].to_numpy()).all()
    assert np.abs(answer.scores.max(axis=1) - logged["certainty"].to_numpy()).max() < 1e-6
    assert model.remarks == ("v1: 60 of 120 texts asked are longer than 16 tokens and were cut there",)
    answer = model.answer(pl.DataFrame({"text": ["invoice", None, "password"]}))
    assert answer.failed.tolist() == [False, True, False]
    assert "expected texts" in answer.error


def test_it_serves_every_job():
    march, april = served(month(3)), month(4)
    april["text"] = april["text"].str.slice(0, 14)
    april = served(april)
    diagnosis = bs.diagnose(march, april, roles=ROLES, reference_model="v1", quick=True)
    assert (diagnosis.causes[0].kind, diagnosis.causes[0].features) == ("text_change", ("text",))
    compared = bs.shadow(march, roles=ROLES, old_model="v1", new_model="wrong")
    assert compared.verdict == "old_better"
    assert bs.gate(march, roles=ROLES, reference_model="v1", current_model="wrong").verdict.held


def test_a_snapshot_tells_tokenizer_and_layers_apart():
    texts = month(3)[["text"]]
    first = bs.snapshot("v1", texts)
    assert first.artefact.sha256
    assert {"transformers", "torch", "tokenizers"} <= set(first.environment.imported)
    assert first.golden is not None
    cased = bs.integrity(first, bs.snapshot("cased", texts))
    assert "tokenizer" in {difference.subject.rpartition("/")[2] for difference in cased.differences}
    wrong = bs.integrity(first, bs.snapshot("wrong", against=first))
    assert wrong.differences[0].kind == "model_change"
    assert not bs.integrity(first, bs.snapshot("v1", against=first)).hurts


def test_labels_that_nobody_named_are_told_by_the_log():
    notes = bs.shadow(served(month(3)), roles=ROLES, old_model="plain").inputs.notes
    assert any("read as scores of 'billing' and 'login' in this order: that gives" in note for note in notes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"auto_map": {"AutoModel": "evil.Model"}}, "code of its own"),
        ({"architectures": ["BertForMaskedLM"]}, "expected a classifier of texts"),
        ({"problem_type": "multi_label_classification"}, "several labels at once"),
        ({"num_hidden_layers": 2}, "the weights lack"),
    ],
)
def test_what_is_no_classifier_of_texts_is_refused(change: dict[str, Any], said: str, tmp_path: Path):
    save(tmp_path / "m")
    path = tmp_path / "m" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=said):
        load_model("m", base=tmp_path)


def test_weights_that_are_pickles_are_refused(tmp_path: Path):
    save(tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").rename(tmp_path / "m" / "pytorch_model.bin")
    with pytest.raises(ModelError, match="expected weights as safetensors"):
        load_model("m", base=tmp_path)
