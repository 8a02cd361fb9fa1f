"""`backslide watch` every night, on simulated nights one after the other: its exit code decides who is called."""

import subprocess
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

CONFIG = """
[model]
name = "loans"
label = "outcome"
prediction = "prediction"
scores = { paid = "p_paid" }
timestamp = "at"
[windows]
reference = "2026-03-02..2026-04-05"
[data]
source = "log.parquet"
[watch]
faults = false
"""
START, NIGHTS, BROKEN = date(2026, 3, 2), 44, 38

rng = np.random.default_rng(5)
day = np.repeat(np.arange(NIGHTS), 120)
income = rng.lognormal(3, 0.5, day.size)
paid = rng.random(day.size) < 1 / (1 + np.exp(-3 * (np.log(income) - 3)))
logged = np.where(day >= BROKEN, income / 12, income)  # the fault
chance = 1 / (1 + np.exp(-3 * (np.log(logged) - 3)))
at = [
    datetime.combine(START, datetime.min.time()) + timedelta(days=int(d), minutes=int(m))
    for d, m in zip(day, rng.integers(0, 1440, day.size))
]
pd.DataFrame(
    {
        "at": at,
        "income": logged,
        "p_paid": chance,
        "prediction": np.where(chance > 0.5, "paid", "default"),
        "outcome": np.where(paid, "paid", "default"),
    }
).to_parquet("log.parquet")
Path("backslide.toml").write_text(CONFIG)

for night in range(38, NIGHTS):
    look = subprocess.run(
        [sys.executable, "-m", "backslide", "watch", "--as-of", f"{START + timedelta(days=night)}T03:00", "--quiet"],
        capture_output=True,
        text=True,
    )
    meaning = {0: "nobody is called", 1: "somebody is called", 2: "the job failed"}[look.returncode]
    print(f"night of {START + timedelta(days=night)}: exit code {look.returncode}, {meaning}")
    if look.returncode:
        print(look.stdout.strip() or look.stderr.strip())
        break
