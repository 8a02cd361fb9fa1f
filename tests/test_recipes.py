"""The recipes as far as they can be checked without what they are for; ``make test-integrations`` runs those for schedulers."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from backslide.cli.app import app
from backslide.contracts.finding import Estimate
from backslide.contracts.watch import EstimatedPerformance, Level
from backslide.monitor.exposition import exposition
from sample_looks import look, stream

RECIPES = Path(__file__).resolve().parents[1] / "recipes"
METRIC = re.compile(r"\bbackslide_[a-z_]+")


@pytest.fixture(name="exported", scope="module")
def _exported() -> set[str]:
    """Names of all metrics that a look exports."""
    pytest.importorskip("prometheus_client")
    value = Estimate(estimate=0.8, low=0.7, high=0.9)
    estimated = EstimatedPerformance(
        metric="accuracy", since="a", until="b", rows=9, estimate=value, reference=0.84, assumption="as before"
    )
    text = exposition(look(estimated=estimated, streams=(stream(),)))
    return set(re.findall(r"^# TYPE (\S+) gauge$", text, re.MULTILINE))


def dashboard() -> dict:
    return json.loads((RECIPES / "grafana" / "dashboard.json").read_text(encoding="utf-8"))


def rules() -> list[dict]:
    (group,) = yaml.safe_load((RECIPES / "prometheus" / "rules.yml").read_text(encoding="utf-8"))["groups"]
    return group["rules"]


def test_dashboard_and_rules_name_the_metrics_that_are_exported_and_all_of_them(exported: set[str]):
    asked = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    asked += [
        variable["query"]["query"] for variable in dashboard()["templating"]["list"] if variable["type"] == "query"
    ]
    shown = set(METRIC.findall(" ".join(asked)))
    assert shown == exported
    called = set(METRIC.findall(" ".join(rule["expr"] for rule in rules())))
    assert called < exported


def test_panels_have_numbers_and_places_of_their_own():
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    assert len({rule["alert"] for rule in rules()}) == len(rules())


PROMTOOL = shutil.which("promtool")
prometheus = pytest.mark.skipif(PROMTOOL is None, reason="no promtool on the path")
RULES = RECIPES / "prometheus" / "rules.yml"


def promtool(*words: str, text: str | None = None) -> None:
    done = subprocess.run([str(PROMTOOL), *words], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@prometheus
def test_prometheus_takes_the_rules_and_the_figures():
    promtool("check", "rules", str(RULES))
    promtool("check", "metrics", text=exposition(look(streams=(stream(),))))


@prometheus
@pytest.mark.parametrize(("status", "fires"), [(Level.ALARM, True), (Level.QUIET, False)])
def test_an_alarm_that_is_exported_fires(tmp_path: Path, status: Level, fires: bool):
    """Prometheus' own rules engine, on the figures as they are written."""
    figures = exposition(look(status=status, as_of="1970-01-01T00:00:00Z"))
    series = [line.rsplit(" ", 1) for line in figures.splitlines() if not line.startswith("#")]
    rule = next(one for one in rules() if one["alert"] == "BackslideAlarm")
    notes = rule["annotations"] | {"summary": "loans got worse"}
    expected = [{"exp_labels": {"model": "loans", **rule["labels"]}, "exp_annotations": notes}]
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": f"{value}x10"} for name, value in series],
        "alert_rule_test": [
            {"eval_time": "5m", "alertname": "BackslideAlarm", "exp_alerts": expected if fires else []}
        ],
    }
    document = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [case]}
    (tmp_path / "case.yml").write_text(yaml.safe_dump(document), encoding="utf-8")
    promtool("test", "rules", str(tmp_path / "case.yml"))


def test_systemd_takes_the_units():
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze on the path")
    units = sorted(map(str, (RECIPES / "systemd").iterdir()))
    done = subprocess.run([analyze, "verify", *units], capture_output=True, text=True)
    assert (done.returncode, [line for line in done.stderr.splitlines() if "backslide" in line]) == (0, [])


def commands() -> dict[str, str]:
    """Every command line of the recipes that are no Python, by file."""
    unit = (RECIPES / "systemd" / "backslide-watch.service").read_text(encoding="utf-8")
    cron = (RECIPES / "cron" / "backslide.cron").read_text(encoding="utf-8")
    job = yaml.safe_load((RECIPES / "kubernetes" / "cronjob.yaml").read_text(encoding="utf-8"))
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return {
        "systemd": re.findall(r"^ExecStart=\S+ (backslide .*)$", unit, re.MULTILINE)[0],
        "cron": re.findall(r"(backslide watch [^>;&]+)", cron.splitlines()[-1])[0],
        "kubernetes": shlex.join(container["command"]),
    }


@pytest.mark.parametrize("name", ["systemd", "cron", "kubernetes"])
def test_the_command_line_takes_what_is_scheduled(name: str):
    import typer

    words = shlex.split(commands()[name])
    assert words[:2] == ["backslide", "watch"]
    typer.main.get_command(app).commands["watch"].make_context("watch", words[2:])


def test_cron_has_five_fields_and_a_user_and_fails_only_where_nothing_could_run():
    last = (RECIPES / "cron" / "backslide.cron").read_text(encoding="utf-8").splitlines()[-1]
    assert re.match(r"^\S+ \S+ \S+ \S+ \S+ backslide cd /\S+ && ", last)
    assert last.endswith("; test $? -le 1")


def test_a_pod_that_saw_an_alarm_is_not_started_again():
    job = yaml.safe_load((RECIPES / "kubernetes" / "cronjob.yaml").read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"], job["spec"]["concurrencyPolicy"]) == ("batch/v1", "CronJob", "Forbid")
    spec = job["spec"]["jobTemplate"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert rule == {
        "action": "FailJob",
        "onExitCodes": {"containerName": container["name"], "operator": "In", "values": [1]},
    }
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # what a policy of failures demands
    assert {one["name"] for one in container["volumeMounts"]} == {
        one["name"] for one in spec["template"]["spec"]["volumes"]
    }


@pytest.mark.parametrize("path", sorted(RECIPES.rglob("*.py")), ids=lambda path: path.stem)
def test_recipes_in_python_are_python_and_say_what_they_do(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    words = ast.get_docstring(tree) or ""
    assert "xit code 2" in words or "2 is no answer" in words


STUB = '#!/bin/sh\necho "$@" >>asked\n[ "$1" != "$(cat refused)" ]\n'


@pytest.mark.parametrize(("refused", "asked"), [("", 3), ("gate", 3), ("shadow", 2), ("integrity", 1)])
def test_a_deployment_stops_at_the_first_question_with_a_no(refused: str, asked: int, tmp_path: Path):
    (tmp_path / "backslide").write_text(STUB, encoding="utf-8")
    (tmp_path / "backslide").chmod(0o755)
    (tmp_path / "refused").write_text(refused, encoding="utf-8")
    script = RECIPES / "pre_deploy" / "before_deploy.sh"
    path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert subprocess.run(["sh", script], cwd=tmp_path, env=path).returncode == bool(refused)
    lines = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()
    assert len(lines) == asked
    import typer

    for line in lines:
        command, *words = shlex.split(line)
        typer.main.get_command(app).commands[command].make_context(command, words)


def test_a_workflow_deploys_only_after_the_gate_and_its_inputs_are_those_of_the_action():
    jobs = yaml.safe_load((RECIPES / "github" / "before_deploy.yml").read_text(encoding="utf-8"))["jobs"]
    assert jobs["deploy"]["needs"] == "gate"
    action = yaml.safe_load((RECIPES.parent / "action.yml").read_text(encoding="utf-8"))
    (step,) = (step for step in jobs["gate"]["steps"] if "backslide" in step["uses"])
    assert set(step["with"]) <= set(action["inputs"])
