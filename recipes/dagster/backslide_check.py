"""A look of `backslide watch` as a check of the asset that holds the predictions.

An open alarm does not pass (severity ERROR), an early sign passes and stands in the metadata, exit code 2 is a failure that
may be retried. `backslide` may live in an environment of its own; only its command is called. Edit the names below.
"""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import dagster as dg

BACKSLIDE = os.environ.get("BACKSLIDE_COMMAND", "backslide")
PROJECT = os.environ.get("BACKSLIDE_PROJECT", "/srv/loans")


@dg.asset
def predictions() -> None:
    """Stands for the asset of yours that holds what the model served."""


@dg.asset_check(asset=predictions, description="Is the model still as good as it was?")
def still_as_good() -> dg.AssetCheckResult:
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "watch.json"
        command = [BACKSLIDE, "watch", "backslide.toml", "--json", str(answer), "--quiet"]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            raise dg.Failure(description=done.stderr.strip()[-500:], allow_retries=True)
        found = json.loads(answer.read_text(encoding="utf-8"))
    live = [one for one in found["incidents"] if one["open"]]
    return dg.AssetCheckResult(
        passed=done.returncode == 0,
        severity=dg.AssetCheckSeverity.ERROR,
        description=found["summary"],
        metadata={
            "status": found["status"],
            "last period": found["last"] or "none",
            "periods waiting for labels": found["labels"]["waiting"],
            "open incidents": dg.MetadataValue.md(
                "\n".join(f"- {one['number']}: {one['sentence']}" for one in live) or "none"
            ),
        },
    )


defs = dg.Definitions(assets=[predictions], asset_checks=[still_as_good])
