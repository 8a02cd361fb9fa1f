"""The DAG, run once in this process on a database of its own."""

import subprocess
import sys
from pathlib import Path

subprocess.run([str(Path(sys.executable).with_name("airflow")), "db", "migrate"], check=True, capture_output=True)
from backslide_watch import backslide_dag

run = backslide_dag.test()
print("ANSWER", "good" if str(run.state).endswith("success") else "alarm", str(run.state))
