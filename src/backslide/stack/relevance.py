"""How much a changed line bears on what a model is given: words of preprocessing, weighed by the kind of file."""

from __future__ import annotations

import ast
import re
from pathlib import PurePosixPath

from backslide.stack.history import ChangedLine

_WORDS: tuple[tuple[float, re.Pattern[str]], ...] = (
    (0.9, re.compile(r"\.(fit|fit_transform|partial_fit|set_params)\s*\(")),
    (0.75, re.compile(r"\w*(Scaler|Normalizer|Encoder|Imputer|Vectorizer|Binarizer|Discretizer|ColumnTransformer)\b")),
    (0.65, re.compile(r"\.transform\s*\(|\b(joblib|pickle|mlflow|onnxruntime)\b.*load|load_model|InferenceSession")),
    (0.6, re.compile(r"thresh|cut.?off|predict", re.I)),
    (
        0.55,
        re.compile(
            r"fillna|fill_null|astype|\.cast\(|clip|log1p|get_dummies|to_numeric|to_datetime|merge\(|join\(|"
            r"\.map\(|replace\(|rename|columns|features?\b|\.mean\(|\.std\(|normali[sz]e|median|dropna|unit",
            re.I,
        ),
    ),
)
_PIN = re.compile(r"^\s*[\"']?[A-Za-z0-9._-]+(\[[^\]]*\])?\s*[=<>~!^]=?")
_SERVING = re.compile(r"serv|predict|infer|api|app|score|online|handler|pipeline|feature|preproc|transform|model", re.I)
_TRAINING = re.compile(r"train|fit_model|notebook|experiment|explor", re.I)
_PACKAGES = re.compile(
    r"^(requirements.*\.txt|pyproject\.toml|setup\.(py|cfg)|.*\.lock|environment.*\.ya?ml|Pipfile|Dockerfile.*)$"
)
_ARTEFACT = frozenset({".joblib", ".pkl", ".pickle", ".onnx", ".skops", ".bst", ".pt", ".pth", ".h5", ".npz", ".npy"})
_SETTINGS = frozenset({".yaml", ".yml", ".toml", ".json", ".ini", ".cfg", ".env"})
_SOURCE = frozenset({".py", ".pyx", ".sql", ".scala", ".java", ".r", ".go", ".js", ".ts"})


def of_line(line: ChangedLine) -> float:
    """0 to 1: how likely the line changes what the model is given."""
    text = line.text.strip()
    if not text or text.startswith(("#", "//", "--", '"""')):
        return 0.0
    weight = of_file(line.path)
    name = PurePosixPath(line.path).name
    if _PACKAGES.match(name):
        return 0.45 if _PIN.match(text) else 0.1
    word = next((score for score, pattern in _WORDS if pattern.search(text)), 0.2)
    return word * weight * (0.9 if line.removed else 1.0)


def of_file(path: str) -> float:
    """Weight of a kind of file; tests and prose say nothing about what serves."""
    whole = PurePosixPath(path)
    suffix, parts = whole.suffix.lower(), [p.lower() for p in whole.parts]
    aside = any(p in ("tests", "test", "docs", "doc", "examples") for p in parts[:-1])
    if aside or parts[-1].startswith(("test_", "conftest")):
        return 0.1
    if suffix in _ARTEFACT:
        return 0.85
    if suffix in _SETTINGS:
        return 0.75
    if suffix in (".md", ".rst", ".txt", ".svg", ".png") and not _PACKAGES.match(whole.name):
        return 0.05
    if suffix not in _SOURCE:
        return 0.4
    if _SERVING.search(path):
        return 1.0
    return 0.7 if _TRAINING.search(path) else 0.9


def of_binary(path: str) -> float:
    """Score of a file that changed without lines: an artefact that was committed."""
    return 0.8 if PurePosixPath(path).suffix.lower() in _ARTEFACT else 0.2 * of_file(path)


def function_at(source: str, number: int) -> str:
    """Name of the innermost function or class that a line of Python stands in; empty outside of any."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ""
    best, size = "", 10**9
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            end = node.end_lineno or node.lineno
            if node.lineno <= number <= end and end - node.lineno < size:
                best, size = node.name, end - node.lineno
    return best
