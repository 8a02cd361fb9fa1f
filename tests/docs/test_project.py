"""What surrounds the code: the package as it is built, the workflows, the site, the pages of the project."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import subprocess
import sys
import tomllib
import zipfile
from itertools import pairwise
from pathlib import Path

import loans
import pytest
import yaml

from backslide import __version__

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+(?:\.\d+)?")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def prose() -> list[Path]:
    """Every Markdown page of the project that people read."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / ".github").rglob("*.md"), *(ROOT / "docs").rglob("*.md")])


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """What `#...` may follow the name of a page, by the rule of GitHub and of the site."""
    found: dict[str, int] = {}
    for title in re.findall(r"^#{1,6} (.+?)\s*$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title).lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
    return {slug if not n else f"{slug}-{n}" for slug, last in found.items() for n in range(last + 1)}


def dead_links(pages: list[Path]) -> list[str]:
    dead = []
    for page in pages:
        for target in re.findall(r"\]\(([^)\s]+)[^)]*\)", FENCE.sub("", page.read_text(encoding="utf-8"))):
            name, _, anchor = target.partition("#")
            to = page if not name else page.parent / name
            if "://" in target:
                continue
            if not to.is_file() or (anchor and anchor not in anchors(to)):
                dead.append(f"{page.name}: {target}")
    return dead


def test_no_link_and_no_anchor_is_dead():
    assert dead_links(prose()) == []


def test_dead_links_are_noticed(tmp_path: Path):
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    other.write_text("# Other\n\n## What it says, and `why`\n\n## Twice\n\n## Twice\n")
    good = (
        "[a](other.md) [b](other.md#what-it-says-and-why) [c](#page) [d](other.md#twice-1) [e](https://example.org/#x)"
    )
    page.write_text(f"# Page\n\n{good}\n```\n[in](code.md)\n```\n")
    assert dead_links([page, other]) == []
    page.write_text(f"# Page\n\n{good} [f](gone.md) [g](other.md#why) [h](#other) [i](other.md#twice-2)\n")
    assert dead_links([page]) == [f"page.md: {t}" for t in ("gone.md", "other.md#why", "#other", "other.md#twice-2")]


def test_the_example_of_the_readme_prints_what_stands_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = [(language, block) for language, block in FENCE.findall(text_of("README.md")) if language]
    (_, code), (_, wanted) = found
    assert [language for language, _ in found] == ["python", "text"]
    loans.write(tmp_path)
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, "README.md", "exec"), {"__name__": "example"})
    assert "<svg" in (tmp_path / "why.html").read_text(encoding="utf-8")
    printed, wanted = " ".join(out.getvalue().split()), " ".join(wanted.split())
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", wanted)
    # Other versions of the libraries may differ in the last digits.
    assert [float(n) for n in NUMBER.findall(printed)] == pytest.approx(
        [float(n) for n in NUMBER.findall(wanted)], rel=0.05
    )


def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path):
    pytest.importorskip("packaging.licenses", reason="hatchling needs packaging 24.2 or newer")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"backslide-{__version__}-py3-none-any.whl"
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {name for name in names if ".dist-info/" not in name}
    source = ROOT / "src"
    files = [path for path in (source / "backslide").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert package == {path.relative_to(source).as_posix() for path in files}
    assert not [name for name in names if re.search(r"(^|/)(tests?/|test_|conftest)", name)]
    templates = {f"backslide/report/templates/{name}" for name in ("page.html.j2", "style.css", "filter.js")}
    assert package >= {"backslide/py.typed", *templates}
    assert f"backslide-{__version__}.dist-info/licenses/LICENSE" in names


def test_the_version_stands_in_one_place():
    assert "version" not in PROJECT["project"]
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "src/backslide/__init__.py"


def test_the_changelog_begins_with_what_is_unreleased_and_knows_this_version():
    titles = re.findall(r"^## (.+)$", text_of("CHANGELOG.md"), re.MULTILINE)
    assert titles[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(__version__)} - \d{{4}}-\d{{2}}-\d{{2}}", titles[1]), titles


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", text_of("Makefile"), re.MULTILINE))


def test_workflows_call_make_targets_that_exist():
    called = set()
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert workflow["permissions"] == {"contents": "read"}, path.name
        for job in workflow["jobs"].values():
            assert "timeout-minutes" in job
            called |= {target for s in job["steps"] for target in re.findall(r"^make ([\w-]+)", s.get("run", ""), re.M)}
    assert called >= {"lint", "test", "build", "site"}
    assert called - make_targets() == set()


def test_continuous_integration_covers_every_version_that_is_promised():
    jobs = yaml.safe_load(text_of(".github/workflows/ci.yml"))["jobs"]
    classifiers = " ".join(PROJECT["project"]["classifiers"])
    assert jobs["test"]["strategy"]["matrix"]["python"] == re.findall(r"Python :: (3\.\d+)", classifiers)


def test_only_the_step_that_publishes_may_prove_who_it_is():
    jobs = yaml.safe_load(text_of(".github/workflows/release.yml"))["jobs"]
    assert {name for name, job in jobs.items() if "id-token" in job.get("permissions", {})} == {"publish"}
    assert jobs["publish"]["needs"] == "build"
    assert "secrets." not in text_of(".github/workflows/release.yml")


def test_hooks_and_forms_are_what_their_readers_expect():
    (repository,) = yaml.safe_load(text_of(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    assert all({"id", "name", "entry", "language"} <= hook.keys() for hook in repository["hooks"])
    forms = [p for p in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if p.name != "config.yml"]
    assert forms
    for form in map(yaml.safe_load, (path.read_text(encoding="utf-8") for path in forms)):
        assert {"name", "description", "body"} <= form.keys()
        fields = [field["id"] for field in form["body"] if field["type"] != "markdown"]
        assert len(fields) == len(set(fields))


def test_the_site_places_pages_that_exist():
    spec = importlib.util.spec_from_file_location("site_conf", ROOT / "docs" / "conf.py")
    assert spec is not None
    assert spec.loader is not None
    conf = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conf)
    placed = [page for pages in conf.PAGES.values() for page in pages]
    assert len(placed) == len(set(placed))
    assert [page for page in placed if not (ROOT / "docs" / f"{page}.md").is_file()] == []
    assert conf.version == __version__


def test_headings_go_down_one_level_at_a_time():
    """A deeper jump fails the site, which is built nowhere in this suite."""
    jumps = []
    for page in sorted((ROOT / "docs").rglob("*.md")):
        prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        levels = [len(marks) for marks in re.findall(r"^(#+) ", prose, re.MULTILINE)]
        jumps += [f"{page.name}: {a} to {b}" for a, b in pairwise(levels) if b > a + 1]
    assert jumps == []


def test_every_decision_is_in_their_index():
    index = text_of("docs/decisions/index.md")
    listed = re.findall(r"^\| \[.*?\]\((.+?)\)", index, re.MULTILINE)
    assert listed == sorted(p.name for p in (ROOT / "docs" / "decisions").glob("0*.md"))


def test_commands_named_for_contributors_exist():
    named = re.findall(r"`make ([a-z-]+)", text_of("CONTRIBUTING.md") + text_of("AGENTS.md"))
    assert set(named) - make_targets() == set()
