"""The rules of the house: each finds its offender, and leaves its neighbour alone."""

from __future__ import annotations

import house
import pytest


@pytest.fixture
def rules_broken(tmp_path, monkeypatch):
    """Rule and subject of everything that a tree of one or more files breaks."""
    monkeypatch.setattr(house, "KNOWN", tmp_path / "known.toml")

    def check(**files: str) -> list[tuple[str, str]]:
        source = tmp_path / "backslide"
        for name, text in files.items():
            path = source / f"{name.replace('__', '/')}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return [(o.rule, o.subject) for o in house.offences(house.modules(source))]

    return check


def test_a_class_name_has_one_meaning(rules_broken):
    assert rules_broken(a="class Curve: ...", b="class Curve: ...\nclass Line: ...") == [("class-name", "Curve")] * 2
    assert rules_broken(a="class Floors: ...", b="class Floors: ...") == []


@pytest.mark.parametrize("name", ["Judged", "_Told", "CheckFound", "Repaired"])
def test_participles_are_no_classes(rules_broken, name):
    assert rules_broken(a=f"class {name}: ...") == [("participle", name)]


def test_participles_are_no_modules_and_nouns_are_welcome(rules_broken):
    assert rules_broken(drawn="x = 1", seed="class Need: ...\nclass Judgement: ...") == [("participle", "drawn")]


def test_contracts_import_no_report_in_bodies_either(rules_broken):
    body = "def show():\n    from backslide.report.render.text import render_text\n    return render_text\n"
    assert rules_broken(contracts__answer=body, cli__show=body) == [("contracts-import-report", "")]


def test_what_a_template_asks_for_is_answered(rules_broken):
    assert rules_broken(a='"""TODO: why."""') == [("unfinished", "")]


@pytest.mark.parametrize("comment", ["# noqa: F401", "# type: ignore[misc]", "# noqa: E402, F401", "# fmt: skip"])
def test_a_tool_is_silenced_for_a_reason(rules_broken, comment):
    assert rules_broken(a=f"x = 1\nimport os  {comment}\n") == [("silence", "")]
    assert rules_broken(a=f"x = 1\nimport os  {comment}  # for others\n") == []
    assert rules_broken(a=f"# For others:\nimport os  {comment}\n") == []


def test_sizes(rules_broken):
    long = "def f():\n" + "    pass\n" * 60
    assert rules_broken(a=long, b="def f():\n" + "    pass\n" * 59, c="x = 1\n" * 401) == [
        ("long-function", "f"),
        ("long-file", ""),
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "f'{x:.1f}'",
        "f'{x:,}'",
        "f'{x:.0%}'",
        "f'{x:+.4g}'",
        "f'{x:.{n}f}'",
        "f'{round(x)}'",
        "str(round(x, 2))",
        "format(x, ',')",
    ],
)
def test_numbers_have_one_writer(rules_broken, expression):
    assert rules_broken(a=f"def f(x, n):\n    return {expression}\n") == [("number-format", "f")]
    assert rules_broken(a="", contracts__say=f"def f(x, n):\n    return {expression}\n") == []


@pytest.mark.parametrize(
    "expression", ["f'{x}'", "f'{x:g}'", "f'{x:>12}'", "f'{x:02d}'", "f'{x:%Y-%m}'", "round(x, 2)"]
)
def test_other_formats_are_nobodys_business(rules_broken, expression):
    assert rules_broken(a=f"def f(x):\n    return {expression}\n") == []


def test_the_list_of_exceptions_only_shrinks(tmp_path, rules_broken, capsys):
    rules_broken(a="class Judged: ...")
    arguments = ["--source", str(tmp_path / "backslide")]
    assert house.main(arguments) == 1
    assert "a.py:1: participle: Judged" in capsys.readouterr().out
    house.write_known({"participle": ["a.py::Judged", "b.py::Told"]})
    assert house.main(arguments) == 0
    assert "1 entries" in capsys.readouterr().err
    house.main([*arguments, "--shrink"])
    assert house.known() == {"participle": ["a.py::Judged"]}


def test_counting(tmp_path, rules_broken, capsys):
    rules_broken(a='"""Doc."""\n\n# why\nx = 1\n\n\ndef f():\n    """Doc."""\n    return """two\nlines"""\n')
    house.main(["--source", str(tmp_path / "backslide"), "--count"])
    assert capsys.readouterr().out.splitlines() == ["files 1", "code lines 4", "median 10", "longest 10 a.py"]
