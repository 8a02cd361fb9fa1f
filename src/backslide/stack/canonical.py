"""Any fitted value in canonical form: the same digest on every machine, small values readable.

Numbers are compared by value where they are few (``SMALL``) and by digest and figures where they are many. What has no form
of its own is taken apart as pickle would (class, arguments, state), without anything being executed that pickling does not.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import pickle
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backslide.contracts.snapshot import FittedValue, Number
from backslide.stack.masking import HIDDEN, secret_name, secret_value

SMALL = 1200
"""Numbers kept one by one: a mean, a scale and a variance for some hundred columns, in a few kilobytes."""
FEW = 400
"""Texts or elements kept one by one."""
LONG = 120
"""Characters of a text that are kept."""
DEEP = 10
"""Nesting that is followed."""
_PLAIN = (str, bytes, bool, int, float, np.generic)
MANY = 100_000
"""Objects that are looked at for one value; more become a digest of their pickle."""


class Canon:
    """Turns values into :class:`FittedValue`; knows what it has already seen, so that cycles end."""

    def __init__(self) -> None:
        self._open: set[int] = set()
        self._seen = 0

    def value(self, value: Any, *, name: str = "", depth: int = 0) -> FittedValue:
        """The canonical form of ``value``; what ``name`` says is secret is hidden."""
        self._seen += 1
        if value is None or isinstance(value, (*_PLAIN, complex)):
            return _scalar(value, name)
        if id(value) in self._open:
            return _fitted_value("object", b"seen", text="(itself)")
        if depth > DEEP or self._seen > MANY:
            return _by_pickle(value)
        self._open.add(id(value))
        try:
            return self._composed(value, depth, name)
        except Exception:  # objects of others may raise anything when looked at
            return _by_pickle(value)
        finally:
            self._open.discard(id(value))

    def _composed(self, value: Any, depth: int, name: str) -> FittedValue:
        if isinstance(value, np.ndarray):
            return self._array(value, depth)
        if isinstance(value, np.dtype):
            return _scalar(value.str, name)
        if isinstance(value, Mapping):
            return self._mapping(value, depth, "mapping")
        if isinstance(value, (set, frozenset)):
            return self._mapping({str(k): k for k in sorted(value, key=str)}, depth, "mapping", type(value).__name__)
        if isinstance(value, (list, tuple, range)):
            return self._list(value, depth, name)
        if isinstance(value, type) or inspect.isroutine(value) or isinstance(value, np.ufunc):
            return self._code(value, depth)
        return self._object(value, depth)

    def _array(self, array: NDArray[Any], depth: int) -> FittedValue:
        if array.dtype.names is not None:  # the nodes of a tree, for example
            return self._mapping({n: np.ascontiguousarray(array[n]) for n in array.dtype.names}, depth, "mapping")
        if array.dtype.kind in "biufc":
            return _numbers(array)
        if array.dtype.kind == "O" and not all(v is None or isinstance(v, _PLAIN) for v in array.ravel()[:FEW]):
            return self._list(array.ravel().tolist(), depth, "")
        return _texts([_word(v) for v in array.ravel().tolist()], array.shape, str(array.dtype.kind))

    def _mapping(self, values: Mapping[Any, Any], depth: int, kind: Any, text: str = "") -> FittedValue:
        items = {_word(key): self.value(item, name=_word(key), depth=depth + 1) for key, item in values.items()}
        content = "\n".join(f"{key}={items[key].digest}" for key in sorted(items)).encode("utf-8", "surrogatepass")
        few = items if len(items) <= FEW else {key: items[key] for key in sorted(items)[:8]}
        return _fitted_value(kind, content, text=text or type(values).__name__, shape=(len(items),), items=few)

    def _list(self, values: Any, depth: int, name: str) -> FittedValue:
        if len(values) and all(isinstance(v, str) for v in values):
            return _texts([_word(v) for v in values], (len(values),), "U", name)
        items = [self.value(value, name=name, depth=depth + 1) for value in values]
        content = "\n".join(item.digest for item in items).encode()
        parts = {str(i): item for i, item in enumerate(items)} if len(items) <= FEW else {}
        return _fitted_value("list", content, text=type(values).__name__, shape=(len(items),), items=parts)

    def _code(self, value: Any, depth: int) -> FittedValue:
        named = f"{getattr(value, '__module__', '') or ''}.{getattr(value, '__qualname__', getattr(value, '__name__', '?'))}"
        content = named.encode("utf-8", "replace") + source_of(value)
        bound = getattr(value, "__self__", None)
        if bound is not None and not inspect.ismodule(bound) and not isinstance(bound, type):
            content += self.value(bound, depth=depth + 1).digest.encode()
        return _fitted_value("code", content, text=named.removeprefix("builtins."))

    def _object(self, value: Any, depth: int) -> FittedValue:
        if hasattr(value, "dtype") and hasattr(value, "shape") and not hasattr(value, "indptr"):
            try:  # tensors and series
                return self._array(np.asarray(value), depth)
            except Exception:
                pass
        named, content, state = self._taken_apart(value)
        items = {key: self.value(item, name=key, depth=depth + 1) for key, item in state.items()}
        whole = "\n".join([named, *(f"{key}={items[key].digest}" for key in sorted(items))])
        parts = items if len(items) <= FEW else {}
        return _fitted_value("object", whole.encode("utf-8", "surrogatepass") + content, text=named, items=parts)

    def _taken_apart(self, value: Any) -> tuple[str, bytes, dict[str, Any]]:
        """Class, bytes that stand for it, and its parts."""
        named = class_name(type(value))
        if callable(getattr(value, "state_dict", None)):  # PyTorch and those that follow it
            return named, b"", {str(key): item for key, item in value.state_dict().items()}
        if callable(getattr(value, "model_to_string", None)):  # LightGBM
            return named, str(value.model_to_string()).encode(), {}
        if callable(getattr(value, "save_raw", None)):  # XGBoost
            return named, bytes(value.save_raw("json")), {}
        if callable(getattr(value, "SerializeToString", None)):  # ONNX
            return named, bytes(value.SerializeToString()), {}
        if hasattr(value, "indptr") and hasattr(value, "data"):  # sparse
            return named, b"", {key: getattr(value, key) for key in ("data", "indices", "indptr", "shape")}
        state = _state(value)
        return (named, _pickle_bytes(value), {}) if state is None else (named, b"", state)


def class_name(kind: type) -> str:
    """Where users import a class from: ``sklearn.preprocessing.StandardScaler`` rather than its private module."""
    module = ".".join(part for part in kind.__module__.split(".") if not part.startswith("_") or part == "__main__")
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


def source_of(function: Any) -> bytes:
    """What a function does: its source, else the names and constants of its bytecode, which no Python version changes."""
    try:
        return inspect.getsource(function).encode("utf-8", "replace")
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        if code is None:
            return b""
        constants = [c for c in code.co_consts if isinstance(c, (str, int, float, bool, type(None)))]
        return repr((code.co_names, code.co_varnames, constants)).encode("utf-8", "replace")


def _state(value: Any) -> dict[str, Any] | None:
    """What pickle would keep of an object, as a mapping; None where it has no such form."""
    own = {str(key): item for key, item in vars(value).items()} if hasattr(value, "__dict__") else None
    kind: Any = type(value)
    plain = all(getattr(kind, n) is getattr(object, n) for n in ("__reduce_ex__", "__reduce__", "__getstate__"))
    if plain and own is not None:
        return own
    try:
        reduced = value.__reduce_ex__(4)
    except Exception:
        return own
    if not isinstance(reduced, tuple):
        return {"name": str(reduced)}
    _, arguments, *rest = reduced
    arguments = tuple(a for a in arguments if not isinstance(a, type))
    state = rest[0] if rest else None
    parts = {f"argument {i}": a for i, a in enumerate(arguments)}
    if isinstance(state, Mapping):
        return parts | {str(key): item for key, item in state.items()}
    return parts | ({} if state is None else {"state": state})


def _word(value: Any) -> str:
    """A key or category as text, telling ``1`` from ``'1'`` only where quoting is needed to."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str):
        return value
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return repr(value)


def _scalar(value: Any, name: str) -> FittedValue:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float):
        plain = plain + 0.0
        text = repr(plain)
        return _fitted_value("scalar", text.encode(), text=text, dtype="float", numbers=(number(plain),))
    if isinstance(plain, int) and not isinstance(plain, bool):
        exact = abs(plain) < 2**53
        return _fitted_value(
            "scalar", f"int {plain}".encode(), text=str(plain), dtype="int", numbers=(float(plain),) if exact else ()
        )
    text = repr(plain) if not isinstance(plain, str) else plain
    content = f"{type(plain).__name__} {text}".encode("utf-8", "surrogatepass")
    if isinstance(plain, (str, bytes)):
        if secret_name(name) or secret_value(text):
            # Not even a digest of it: the digest of a password is the password to whoever can guess.
            return _fitted_value("scalar", b"hidden", text=HIDDEN, dtype="str")
        text = text if len(text) <= LONG else text[:LONG] + "…"
    return _fitted_value("scalar", content, text=_safe(text), dtype=type(plain).__name__)


def _numbers(array: NDArray[Any]) -> FittedValue:
    plain = np.ascontiguousarray(array)
    if plain.dtype.kind == "f":
        plain = plain.astype("<f8") + 0.0  # one zero
        plain[np.isnan(plain)] = np.nan  # one NaN
    elif plain.dtype.kind in "biu":
        plain = plain.astype("<i8") if plain.dtype != np.uint64 else plain.astype("<u8")
    content = f"{array.shape} {plain.dtype.kind}".encode() + plain.tobytes()
    facts: dict[str, Any] = {"dtype": array.dtype.name, "shape": tuple(int(n) for n in array.shape)}
    if array.dtype.kind == "c":
        return _fitted_value("figures", content, **facts)
    if plain.size <= SMALL:
        return _fitted_value("numbers", content, numbers=tuple(number(v) for v in plain.ravel().tolist()), **facts)
    return _fitted_value("figures", content, figures=figures(plain), **facts)


def figures(array: NDArray[Any]) -> dict[str, Number]:
    """Mean, spread and range of the finite values, and how many are not finite."""
    values = array.astype(np.float64).ravel()
    finite = values[np.isfinite(values)]
    if not len(finite):
        return {"finite": 0.0}
    with np.errstate(over="ignore"):
        facts = {"mean": finite.mean(), "std": finite.std(), "minimum": finite.min(), "maximum": finite.max()}
    return {key: number(float(value)) for key, value in facts.items()} | {"finite": float(len(finite))}


def _texts(words: list[str], shape: Iterable[int], dtype: str, name: str = "") -> FittedValue:
    content = "\x1f".join(words).encode("utf-8", "surrogatepass")
    whole = tuple(int(n) for n in shape)
    if secret_name(name) or any(secret_value(word) for word in words[:FEW]):
        return _fitted_value("texts", str(len(words)).encode(), text=HIDDEN, shape=whole, dtype=dtype)
    texts = tuple(_safe(word[:LONG]) for word in words) if len(words) <= FEW else ()
    return _fitted_value("texts", content, texts=texts, shape=whole, dtype=dtype)


def number(value: float) -> Number:
    """A float as JSON can hold it."""
    if math.isfinite(value):
        return float(value)
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def _safe(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _by_pickle(value: Any) -> FittedValue:
    return _fitted_value("object", _pickle_bytes(value), text=class_name(type(value)))


def _pickle_bytes(value: Any) -> bytes:
    try:
        return pickle.dumps(value, protocol=4)
    except Exception:
        return class_name(type(value)).encode()


def _fitted_value(kind: Any, content: bytes, **facts: Any) -> FittedValue:
    return FittedValue(kind=kind, digest=hashlib.sha256(f"{kind}|".encode() + content).hexdigest()[:16], **facts)


def prune(value: FittedValue, most: int) -> FittedValue:
    """The same with the contents of its elements left out, where more than ``most`` numbers, texts and elements are kept."""
    if _size(value) <= most:
        return value
    bare = {key: _bare(item) for key, item in value.items.items()}
    less = value.model_copy(update={"items": bare})
    return less if _size(less) <= most else _bare(value)


def _bare(value: FittedValue) -> FittedValue:
    facts: dict[str, Any] = {"items": {}, "numbers": value.numbers if len(value.numbers) == 1 else (), "texts": ()}
    return value.model_copy(update=facts)


def _size(value: FittedValue) -> int:
    return 4 + len(value.numbers) + 2 * len(value.texts) + sum(_size(item) for item in value.items.values())
