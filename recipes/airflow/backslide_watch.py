"""A look of `backslide watch` every day: an XCom of a few hundred bytes, and a task that fails while an alarm is open.

Exit code 0 is quiet and 1 an open alarm: both are answers. 2 is no answer: the task is retried. `backslide` may live in an
environment of its own; only its command is called. Edit the three names below.
"""

import json
import os
import subprocess
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
from airflow.exceptions import AirflowFailException

BACKSLIDE = os.environ.get("BACKSLIDE_COMMAND", "backslide")
PROJECT = os.environ.get("BACKSLIDE_PROJECT", "/srv/loans")
SCHEDULE = "15 6 * * *"


@dag(schedule=SCHEDULE, start_date=datetime(2026, 1, 1), catchup=False, max_active_runs=1, tags=["backslide"])
def backslide_watch() -> None:
    @task(retries=3, retry_delay=timedelta(minutes=10))
    def look() -> dict:
        with tempfile.TemporaryDirectory() as folder:
            answer = Path(folder) / "watch.json"
            command = [BACKSLIDE, "watch", "backslide.toml", "--json", str(answer), "--quiet"]
            done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
            if done.returncode not in (0, 1):
                raise RuntimeError(done.stderr.strip()[-500:])
            found = json.loads(answer.read_text(encoding="utf-8"))
        last = [one for one in found["incidents"] if one["open"]][-1:]
        return {
            "model": found["model"],
            "status": found["status"],
            "summary": found["summary"][:300],
            "as_of": found["as_of"],
            "incident": last[0]["number"] if last else None,
            "decision": ((last[0]["diagnosis"] or {}).get("decision", "") if last else "")[:300],
            "exit_code": done.returncode,
        }

    @task
    def judge(answer: dict) -> None:
        if answer["exit_code"] == 1:
            raise AirflowFailException(f"{answer['model']}: {answer['summary']} {answer['decision']}")

    judge(look())


backslide_dag = backslide_watch()

if __name__ == "__main__":
    backslide_dag.test()
