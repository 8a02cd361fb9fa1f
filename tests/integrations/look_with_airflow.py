"""The DAG, run once in this process on a database of its own."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

subprocess.run([str(Path(sys.executable).with_name("airflow")), "db", "migrate"], check=True, capture_output=True)
run = import_module("backslide_watch").backslide_dag.test()
print("ANSWER", "good" if str(run.state).endswith("success") else "alarm", str(run.state))
