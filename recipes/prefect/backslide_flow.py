"""A look of `backslide watch` as a flow: the answer is an artifact in Markdown, an open alarm makes the run fail.

Exit code 0 is quiet and 1 an open alarm: both are answers. 2 is no answer: the task is retried. `backslide` may live in an
environment of its own; only its command is called. Edit the names below.
"""

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact

BACKSLIDE = os.environ.get("BACKSLIDE_COMMAND", "backslide")
PROJECT = os.environ.get("BACKSLIDE_PROJECT", "/srv/loans")


@task(retries=int(os.environ.get("BACKSLIDE_RETRIES", "3")), retry_delay_seconds=600)
def look() -> dict:
    with tempfile.TemporaryDirectory() as folder:
        answer, page = Path(folder) / "watch.json", Path(folder) / "watch.md"
        command = [BACKSLIDE, "watch", "backslide.toml", "--json", str(answer), "--quiet"]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            raise RuntimeError(done.stderr.strip()[-500:])
        found = json.loads(answer.read_text(encoding="utf-8"))
        subprocess.run([BACKSLIDE, "report", str(answer), "--md", str(page)], check=True, capture_output=True)
        key = "backslide-" + re.sub(r"[^a-z0-9]+", "-", found["model"].lower()).strip("-")
        create_markdown_artifact(page.read_text(encoding="utf-8"), key=key, description=found["summary"][:300])
    return {
        "model": found["model"],
        "status": found["status"],
        "summary": found["summary"],
        "exit_code": done.returncode,
    }


@flow(name="backslide-watch")
def backslide_watch() -> dict:
    answer = look()
    if answer["exit_code"] == 1:
        raise RuntimeError(f"{answer['model']}: {answer['summary']}")
    return answer


if __name__ == "__main__":
    backslide_watch.serve(name="daily", cron="15 6 * * *")
