"""A legal desk sorts its letters with a small BERT, which was fine-tuned on fresh labels that hold no court filings.

Nothing is downloaded: the model is made of a configuration, and its folder is read as any other of Hugging Face.
"""

import re
from datetime import date

import polars as pl
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

import backslide as bs
from backslide.demo.letters import KINDS, LetterPeriod, letters
from backslide.models.load import load_model

torch.manual_seed(0)
past, fresh, reference, current = (
    letters(period, 4).drop_nulls("kind")
    for period in (
        LetterPeriod(date(2025, 9, 1), days=28, new_words=0.55),
        LetterPeriod(date(2026, 1, 12), days=14, new_words=0.55, filings=0.0),
        LetterPeriod(date(2026, 2, 2), days=8, new_words=0.55),
        LetterPeriod(date(2026, 3, 2), days=8, new_words=0.55),
    )
)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = sorted({word for text in past["text"].to_list() for word in re.findall(r"\w+", text.lower())})
plain = Tokenizer(models.WordLevel({word: k for k, word in enumerate(SPECIAL + WORDS)}, unk_token="[UNK]"))
plain.normalizer, plain.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
plain.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, model_max_length=64, **names)
size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, id2label=dict(enumerate(KINDS)), **size)
bert = BertForSequenceClassification(config)


def tune(rows: pl.DataFrame, folder: str, steps: int) -> None:
    optimiser = torch.optim.AdamW(bert.train().parameters(), lr=3e-3)
    for step in range(steps):
        batch = rows.sample(64, seed=step)
        tokens = tokenizer(batch["text"].to_list(), padding=True, truncation=True, return_tensors="pt")
        optimiser.zero_grad()
        bert(**tokens, labels=torch.tensor([KINDS.index(kind) for kind in batch["kind"]])).loss.backward()
        optimiser.step()
    for saved in (bert, tokenizer):
        saved.save_pretrained(folder)


tune(past, "old", 300)
tune(fresh, "new", 100)
logs = [
    rows.with_columns(predicted=pl.Series(load_model(name).answer(rows.select("text")).predictions.astype(str)))
    for name, rows in (("old", reference), ("new", current))
]
roles = bs.Roles(label="kind", prediction="predicted", timestamp="received_at", features=["text"])
print(bs.diagnose(*logs, roles=roles, reference_model="old", current_model="new", quick=True).summary)
print(bs.shadow(logs[1], roles=roles, old_model="old").to_text())
