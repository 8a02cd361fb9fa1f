"""Networks of PyTorch and Keras over columns of numbers, through every job, and with every file that they are kept in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import backslide as bs
from backslide.contracts.errors import ModelError, UntrustedError
from backslide.models.load import load_model

pytestmark = pytest.mark.filterwarnings("ignore")  # the frameworks warn of themselves

FEATURES = ("income", "age", "debt")
ROLES = bs.Roles(label="label", prediction="prediction", timestamp="at", scores={"paid": "score"}, features=FEATURES)
NETS = """
import torch

class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = torch.nn.Linear(3, 8)
        self.out = torch.nn.Linear(8, 1)

    def forward(self, x):
        return torch.sigmoid(self.out(torch.tanh(self.hidden(x)))[:, 0])

class Logits(Net):
    classes = ["default", "paid"]

    def forward(self, x):
        logit = self.out(torch.tanh(self.hidden(x)))
        return torch.cat([torch.zeros_like(logit), logit], 1)
"""
GIVES = "that gives what was logged on 100.0%"
KINDS = ("safetensors", "state_dict", "torchscript", "pickled", "keras")


def month(number: int, factor: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(number)
    rows = pd.DataFrame({name: rng.normal(size=1500) for name in FEATURES})
    rows["at"] = pd.date_range(f"2026-0{number}-01", periods=1500, freq="25min")
    odds = 3 * rows["income"] + rows["age"]
    rows["label"] = np.where(rng.random(1500) < 1 / (1 + np.exp(-odds)), "paid", "default")
    rows["income"] *= factor
    return rows


def weights(seed: float) -> dict[str, np.ndarray]:
    """A network that knows the truth, or, by ``seed``, one that listens to the debt."""
    rng = np.random.default_rng(0)
    hidden = np.column_stack([rng.normal(0.3, 0.05, 8), rng.normal(0.1, 0.02, 8), np.full(8, seed)])
    return {
        "hidden.weight": hidden.astype(np.float32),
        "hidden.bias": np.zeros(8, np.float32),
        "out.weight": np.full((1, 8), 1.4, np.float32),
        "out.bias": np.zeros(1, np.float32),
    }


def save(kind: str, name: str, seed: float, folder: Path) -> str:
    """Write the network as a file of some kind; how it is named."""
    numbers = weights(seed)
    if kind == "keras":
        import keras

        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(8, "tanh"), keras.layers.Dense(1, "sigmoid")])
        model.set_weights([array.T if array.ndim == 2 else array for array in numbers.values()])
        model.save(folder / f"{name}.keras")
        return f"{name}.keras"
    import torch

    (folder / "nets.py").write_text(NETS, encoding="utf-8")
    tensors = {key: torch.from_numpy(array.copy()) for key, array in numbers.items()}
    if kind == "safetensors":
        from safetensors.torch import save_file

        save_file(tensors, folder / f"{name}.safetensors")
        return f"nets:Net@{name}.safetensors"
    if kind == "state_dict":
        torch.save({"state_dict": tensors}, folder / f"{name}.pt")
        return f"nets.py:Net@{name}.pt"
    module: Any = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1), torch.nn.Sigmoid())
    module.load_state_dict(dict(zip(("0.weight", "0.bias", "2.weight", "2.bias"), tensors.values(), strict=True)))
    if kind == "torchscript":
        torch.jit.trace(module, torch.zeros(1, 3)).save(str(folder / f"{name}.pt"))
    else:
        torch.save(module, folder / f"{name}.pt")
    return f"{name}.pt"


@pytest.mark.parametrize("kind", KINDS)
def test_it_serves_every_job(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    old, new = save(kind, "v1", 0.0, tmp_path), save(kind, "v2", 0.25, tmp_path)
    model = load_model(old, base=tmp_path, trusted=True)
    march, april = month(3), month(4, factor=12.0)
    for rows in (march, april):
        rows["score"] = model.artefact(rows[list(FEATURES)])
        rows["prediction"] = np.where(rows["score"] >= 0.5, "paid", "default")
    diagnosis = bs.diagnose(march, april, roles=ROLES, reference_model=old, trusted=True, quick=True)
    assert (diagnosis.causes[0].kind, diagnosis.causes[0].features) == ("unit_change", ("income",))
    compared = bs.shadow(march, roles=ROLES, old_model=old, new_model=new, trusted=True)
    assert compared.verdict == "old_better"
    assert any(note.startswith(old) and GIVES in note for note in compared.inputs.notes)
    gate = bs.gate(march, roles=ROLES, reference_model=old, current_model=new, trusted=True)
    assert gate.verdict.held
    assert (gate.champion, gate.challenger) == (old, new)
    first, second = (bs.snapshot(name, march[list(FEATURES)], trusted=True) for name in (old, new))
    assert first.artefact.sha256
    library = "keras" if kind == "keras" else "torch"
    assert library in first.environment.imported
    assert {part.kind for part in first.fitted} == {f"{library}.{'Dense' if kind == 'keras' else 'Linear'}"}
    (difference, *_) = bs.integrity(first, second).differences
    assert (difference.kind, difference.proven) == ("model_change", True)
    assert not bs.integrity(first, bs.snapshot(old, against=first, trusted=True)).hurts


def test_only_weights_are_read_without_trust_and_what_runs_code_needs_it(tmp_path: Path):
    for kind in ("torchscript", "pickled"):
        name = save(kind, kind, 0.0, tmp_path)
        with pytest.raises(UntrustedError, match="trusted = true"):
            load_model(name, base=tmp_path)
    assert load_model(save("keras", "plain", 0.0, tmp_path), base=tmp_path).artefact.library == "keras"
    save("safetensors", "v1", 0.0, tmp_path)
    with pytest.raises(UntrustedError, match="names a class"):
        load_model("nets:Net@v1.safetensors", base=tmp_path)
    with pytest.raises(ModelError, match="weights alone"):
        load_model("v1.safetensors", base=tmp_path, trusted=True)
    save("state_dict", "v1", 0.0, tmp_path)
    with pytest.raises(ModelError, match="holds weights alone; name the class"):
        load_model("v1.pt", base=tmp_path, trusted=True)
    save("pickled", "whole", 0.0, tmp_path)
    with pytest.raises(ModelError, match="expected weights alone, and nothing that runs code"):
        load_model("nets:Net@whole.pt", base=tmp_path, trusted=True)
    with pytest.raises(ModelError, match=r"no weights at v9\.pt"):
        load_model("nets:Net@v9.pt", base=tmp_path, trusted=True)
    (tmp_path / "other.py").write_text("import torch\nNet = lambda: torch.nn.Linear(2, 1)\nThing = dict\n")
    with pytest.raises(ModelError, match="weights of another module"):
        load_model("other:Net@v1.safetensors", base=tmp_path, trusted=True)
    with pytest.raises(ModelError, match="to make a module of PyTorch, got dict"):
        load_model("other:Thing@v1.safetensors", base=tmp_path, trusted=True)
    (tmp_path / "bad.safetensors").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"the weights cannot be read|expected weights alone"):
        load_model("nets:Net@bad.safetensors", base=tmp_path, trusted=True)


def test_logits_of_classes_that_the_class_names_are_read_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    save("safetensors", "v1", 0.0, tmp_path)
    rows = month(3)
    rows["score"] = load_model("nets:Net@v1.safetensors", base=tmp_path, trusted=True).artefact(rows[list(FEATURES)])
    rows["prediction"] = np.where(rows["score"] >= 0.5, "paid", "default")
    compared = bs.shadow(rows, roles=ROLES, old_model="nets:Logits@v1.safetensors")
    assert any("as unnormalised log scores" in note and GIVES in note for note in compared.inputs.notes)
    with pytest.raises(ModelError, match="holds no numbers"):
        bs.shadow(rows.assign(debt="x"), roles=ROLES, old_model="nets:Logits@v1.safetensors")


def test_lambdas_of_keras_are_refused(tmp_path: Path):
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: x * 2), keras.layers.Dense(1)])
    model.save(tmp_path / "m.keras")
    with pytest.raises(UntrustedError, match="a lambda"):
        load_model("m.keras", base=tmp_path)


def test_keras_with_an_input_of_each_column_is_asked_by_name(tmp_path: Path):
    import keras

    inputs = [keras.Input((1,), name=name) for name in ("debt", "income")]
    joined = keras.layers.Concatenate()(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, kernel_initializer="ones")(joined))
    model.save(tmp_path / "m.keras")
    loaded = load_model("m.keras", base=tmp_path, task="regression")
    assert loaded.features == ("debt", "income")
    rows = month(3)
    assert np.allclose(loaded.artefact(rows[["debt", "income"]]), rows["debt"] + rows["income"], atol=1e-5)


def test_a_module_that_squeezes_is_asked_about_one_row(tmp_path: Path):
    import torch

    from backslide.models.torch_files import TorchModule

    class Squeezed(torch.nn.Module):
        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return rows.sum(1, keepdim=True).squeeze()

    for rows in (1, 4097):  # alone, and as the last batch
        frame = pd.DataFrame({"a": np.arange(rows, dtype=float), "b": 1.0})
        assert np.allclose(TorchModule(Squeezed())(frame), frame["a"] + 1)
