"""A folder of Hugging Face that classifies texts: configuration, tokenizer, weights. Reading one executes nothing.

What the pipeline ``text-classification`` does: tokens cut after what the model takes, padded within a batch, and the function
that the configuration names over what comes out. Nothing is downloaded, and code that a configuration names is never run.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backslide.contracts.errors import ModelError
from backslide.contracts.extras import needs
from backslide.contracts.files import parse_json, read_text
from backslide.models.deep import DeepModel, Layer, one_answer
from backslide.models.failures import explain_failure, one_line
from backslide.models.torch_files import module_layers
from backslide.stats.arrays import Floats

BATCH = 32
"""Texts of one pass; on a processor more bring nothing."""
ENDLESS = 10**6
"""A tokenizer that states no length gives an enormous one."""
HEAD = "ForSequenceClassification"
_NUMBERED = re.compile(r"LABEL_\d+")
"""Labels that a configuration makes up where nobody named the classes."""


def is_hugging_face(path: Path) -> bool:
    """Whether a folder holds a model with its configuration."""
    return path.is_dir() and (path / "config.json").is_file()


def read_hugging_face(path: Path, shown: str) -> Any:
    """The classifier in a folder.

    Raises:
        MissingExtraError: transformers or PyTorch is not installed.
        ModelError: it is no classifier of texts, lacks weights or a tokenizer, names code, or holds pickled weights alone.
    """
    _check(path, shown)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads and a forked worker do not go together
    with needs("transformers", f"reading {shown}"):
        import torch  # noqa: F401  # transformers does without, and then loads nothing
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
        from transformers.utils import logging
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    here = {"local_files_only": True, "trust_remote_code": False}
    with explain_failure(f"{shown} cannot be read as a model of Hugging Face"):
        tokenizer = AutoTokenizer.from_pretrained(str(path), **here)
        module, told = AutoModelForSequenceClassification.from_pretrained(
            str(path), use_safetensors=True, output_loading_info=True, **here
        )
    if missing := sorted(told.get("missing_keys") or ()):
        raise ModelError(f"{shown}: the weights lack {missing[0]!r}; it would be made up at random")
    return TextClassifier(module.eval(), tokenizer)


def _check(path: Path, shown: str) -> None:
    try:
        config = parse_json(read_text(path / "config.json"))
        kinds = config.get("architectures") or [""]
        code = "auto_map" in config
    except (OSError, ValueError, AttributeError) as error:
        raise ModelError(f"{shown}: config.json cannot be read: {one_line(error)}") from None
    if code:
        raise ModelError(f"{shown}: its configuration names code of its own (auto_map), which is not run")
    if not str(kinds[0]).endswith(HEAD):
        raise ModelError(f"{shown}: expected a classifier of texts (...{HEAD}), got {kinds[0] or 'no architecture'}")
    if config.get("problem_type") == "multi_label_classification":
        raise ModelError(f"{shown} gives a text several labels at once; expected a model of one label")
    if not any(path.glob("*.safetensors")):
        raise ModelError(
            f"{shown}: expected weights as safetensors, which execute nothing; save it with save_pretrained"
        )


class TextClassifier(DeepModel):
    """A classifier of one column of texts (``predict_proba``); with nameless labels or a single output, ``predict``."""

    library = "transformers"
    reads_texts = True

    def __init__(self, module: Any, tokenizer: Any) -> None:
        self.module, self.tokenizer = module, tokenizer
        config = module.config
        self.length = _length(config, tokenizer)
        self.cut = self.texts = 0
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token  # as text generators have none; the mask leaves it out
            config.pad_token_id = tokenizer.pad_token_id
        names = [str(config.id2label[k]) for k in range(config.num_labels)]
        if config.num_labels > 1 and not all(_NUMBERED.fullmatch(name) for name in names):
            self.classes_ = np.array(names, dtype=object)
            self.predict_proba = self._scores
        else:  # what they mean is told by the log
            self.predict = self._answers

    def _scores(self, texts: Sequence[Any]) -> Floats:
        """(n, K), in the order of the texts: those of like length are asked together, which saves padding."""
        with needs("transformers", "asking a model of Hugging Face"):
            import torch
        words = list(texts)
        wrong = next((text for text in words if not isinstance(text, str)), "")
        if wrong != "":
            raise TypeError(f"expected texts, got {wrong!r}")
        order = np.argsort([len(text) for text in words], kind="stable")
        scores = np.empty((len(words), self.module.config.num_labels))
        with torch.inference_mode():
            for start in range(0, len(words), BATCH):
                places = order[start : start + BATCH]
                tokens = self._tokens([words[place] for place in places])
                scores[places] = self.module(**tokens).logits.double().numpy()
        return self._link(scores)

    def _answers(self, texts: Sequence[Any]) -> Floats:
        """Scores (n, K) of classes without names, or numbers (n,) of a single output."""
        scores: Floats = one_answer(self._scores(texts))
        return scores

    def _tokens(self, texts: list[str]) -> Any:
        self.texts += len(texts)
        if self.length is not None:
            lengths = self.tokenizer(texts, truncation=False, verbose=False)["input_ids"]
            self.cut += sum(len(ids) > self.length for ids in lengths)
        limits: dict[str, Any] = {} if self.length is None else {"truncation": True, "max_length": self.length}
        return self.tokenizer(texts, padding=True, return_tensors="pt", **limits)

    def _link(self, logits: Floats) -> Floats:
        config = self.module.config
        if config.num_labels == 1:
            return logits if config.problem_type == "regression" else 1 / (1 + np.exp(-logits))
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares: Floats = powers / powers.sum(axis=1, keepdims=True)
        return shares

    @property
    def remarks(self) -> tuple[str, ...]:
        """How many texts were longer than the model takes."""
        if not self.cut:
            return ()
        return (f"{self.cut} of {self.texts} texts asked are longer than {self.length} tokens and were cut there",)

    def graph_steps(self) -> Iterator[Layer]:
        """The tokenizer with its rules and vocabulary, then the layers."""
        tokenizer = self.tokenizer
        words = tokenizer.get_vocab()
        about = {"vocabulary": sorted(words, key=words.__getitem__), "longest": self.length}
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if backend is not None:
            rules = json.loads(backend.to_str())
            about |= {key: rules[key] for key in ("normalizer", "pre_tokenizer", "post_processor") if rules.get(key)}
        yield "tokenizer", type(tokenizer).__name__, about
        yield from module_layers(self.module)


def _length(config: Any, tokenizer: Any) -> int | None:
    """Tokens that the model takes: what the tokenizer says, else the positions that were learned."""
    if tokenizer.model_max_length < ENDLESS:
        return int(tokenizer.model_max_length)
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None:
        return None
    # Models of RoBERTa's kind count positions from behind the padding.
    return int(positions) - (2 if "roberta" in config.model_type else 0)
