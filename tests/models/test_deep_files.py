"""Files of deep-learning libraries where none is installed: what is refused before, and the line that says what is missing."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import pytest

from backslide.contracts.errors import MissingExtraError, ModelError, UntrustedError
from backslide.models.load import load_model
from backslide.models.torch_files import weights_of

LAMBDA = {"module": "keras.layers", "class_name": "Lambda", "config": {"function": {"class_name": "__lambda__"}}}
OWN = {"module": "evil.layers", "class_name": "Layer", "config": {}}
DENSE = {"module": "keras.layers", "class_name": "Dense", "config": {"initializer": {"module": "keras.initializers"}}}


@pytest.fixture(autouse=True)
def _nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("torch", "transformers", "keras", "safetensors"):
        monkeypatch.setitem(sys.modules, module, None)


def keras_file(folder: Path, *layers: object) -> str:
    with zipfile.ZipFile(folder / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"layers": layers}}))
    return "m.keras"


@pytest.mark.parametrize(("layer", "said"), [(LAMBDA, "a lambda"), (OWN, "evil.layers.Layer")])
def test_code_in_a_file_of_keras_is_refused_before_keras_is_imported(layer: object, said: str, tmp_path: Path):
    with pytest.raises(UntrustedError, match=said):
        load_model(keras_file(tmp_path, DENSE, layer), base=tmp_path)


def test_layers_of_keras_alone_need_no_trust_but_keras(tmp_path: Path):
    with pytest.raises(MissingExtraError, match=r"backslide\[keras\]"):
        load_model(keras_file(tmp_path, DENSE), base=tmp_path)
    (tmp_path / "m.keras").write_bytes(b"no archive")
    with pytest.raises(ModelError, match="cannot be read as a model of Keras"):
        load_model("m.keras", base=tmp_path)


def test_weights_are_named_with_their_class():
    assert weights_of("nets:Net@v1.safetensors") == ("nets:Net", "v1.safetensors")
    assert weights_of("code/nets.py:Net.small@models/v1.pt") == ("code/nets.py:Net.small", "models/v1.pt")
    for other in ("models:/loans@champion", "nets:Net", "v1.safetensors", "nets:Net@v1.onnx"):
        assert weights_of(other) is None


def test_a_class_a_program_and_a_pickle_need_trust_and_then_pytorch(tmp_path: Path):
    (tmp_path / "nets.py").write_text("raise SystemExit\n")
    for name in ("v1.safetensors", "v1.pt", "v2.pt"):
        (tmp_path / name).write_bytes(b"x")
    with zipfile.ZipFile(tmp_path / "v2.pt", "w") as archive:
        archive.writestr("v2/constants.pkl", "")
    for name, said in (
        ("nets:Net@v1.safetensors", "names a class"),
        ("v1.pt", "pickle-based"),
        ("v2.pt", "TorchScript"),
    ):
        with pytest.raises(UntrustedError, match=said):
            load_model(name, base=tmp_path)
        with pytest.raises(MissingExtraError, match=r"backslide\[torch\]"):
            load_model(name, base=tmp_path, trusted=True)
    with pytest.raises(ModelError, match="name the class"):
        load_model("v1.safetensors", base=tmp_path)


def hugging_face(folder: Path, **config: object) -> str:
    (folder / "m").mkdir()
    (folder / "m" / "config.json").write_text(json.dumps(config))
    (folder / "m" / "model.safetensors").write_bytes(b"x")
    return "m"


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"architectures": ["BertForSequenceClassification"], "auto_map": {}}, "code of its own"),
        ({"architectures": ["BertForMaskedLM"]}, "got BertForMaskedLM"),
        ({}, "got no architecture"),
    ],
)
def test_a_folder_that_is_no_classifier_is_refused(config: dict[str, object], said: str, tmp_path: Path):
    with pytest.raises(ModelError, match=said):
        load_model(hugging_face(tmp_path, **config), base=tmp_path)


def test_a_folder_of_a_classifier_needs_transformers_and_no_trust(tmp_path: Path):
    name = hugging_face(tmp_path, architectures=["BertForSequenceClassification"])
    with pytest.raises(MissingExtraError, match=r"backslide\[transformers\]"):
        load_model(name, base=tmp_path)
    (tmp_path / "m" / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="expected weights as safetensors"):
        load_model(name, base=tmp_path)
    (tmp_path / "m" / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config\.json cannot be read"):
        load_model(name, base=tmp_path)


@pytest.mark.parametrize(
    ("name", "words"), [("TorchModuleWrapper", "a pickled module"), ("TFSMLayer", "a graph"), ("Lambda", "a lambda")]
)
def test_classes_of_keras_that_hold_code_need_trust(name: str, words: str, tmp_path: Path):
    config = {"class_name": "Functional", "config": {"layers": [{"module": "keras.layers", "class_name": name}]}}
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    with pytest.raises(UntrustedError, match=words):
        load_model("m.keras", base=tmp_path)


def test_a_configuration_without_a_bottom_is_one_line(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", "[" * 100_000 + "]" * 100_000)
    with pytest.raises(ModelError, match="nested"):
        load_model("m.keras", base=tmp_path)
