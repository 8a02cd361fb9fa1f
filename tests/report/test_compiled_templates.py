"""Templates are compiled once for all processes, and again when anything about them changed."""

from __future__ import annotations

import sys

import pytest
from jinja2 import Environment, FileSystemLoader

from backslide.report.render.html import compiled_templates


@pytest.fixture
def templates(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "page.j2").write_text("{{ word }} one")
    (tmp_path / "settings.py").write_text("first")
    return folder


class CountingEnvironment(Environment):
    """One that counts what it compiles."""

    compiled = 0

    def _generate(self, *args, **options):
        self.compiled += 1
        return super()._generate(*args, **options)


def shown(templates):
    """The page in a new environment, and how many templates were compiled for it."""
    cache = compiled_templates(templates, templates.parent / "settings.py")
    environment = CountingEnvironment(loader=FileSystemLoader(templates), bytecode_cache=cache, autoescape=True)
    return environment.get_template("page.j2").render(word="number"), environment.compiled


def test_the_second_process_compiles_nothing(templates):
    assert shown(templates) == ("number one", 1)
    assert shown(templates) == ("number one", 0)
    assert [path.suffix for path in (templates / "__pycache__").iterdir()] == [".jinja"]


def test_another_source_or_other_settings_are_compiled_anew(templates):
    shown(templates)
    (templates / "page.j2").write_text("{{ word }} two")
    assert shown(templates) == ("number two", 1)
    (templates.parent / "settings.py").write_text("second")
    assert shown(templates) == ("number two", 1)
    assert shown(templates) == ("number two", 0)


def test_a_damaged_file_is_compiled_anew(templates):
    shown(templates)
    (file,) = (templates / "__pycache__").iterdir()
    for content in (b"", b"other", file.read_bytes()[:-20]):
        file.write_bytes(content)
        assert shown(templates) == ("number one", 1)


def test_nothing_is_written_where_python_writes_nothing(templates, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    cache = compiled_templates(templates, templates.parent / "settings.py")
    Environment(loader=FileSystemLoader(templates), bytecode_cache=cache, autoescape=True).get_template("page.j2")
    assert not (templates / "__pycache__").exists()


def test_a_folder_that_cannot_be_written_does_no_harm(templates):
    (templates / "__pycache__").write_text("a file in its place")
    assert shown(templates) == ("number one", 1)
    assert shown(templates) == ("number one", 1)


def test_a_package_that_is_no_folder_has_no_cache(tmp_path):
    assert compiled_templates(tmp_path / "package.zip" / "templates", tmp_path / "package.zip" / "settings.py") is None
