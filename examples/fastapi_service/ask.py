"""Asks the service in its own process, as `uvicorn service:app` would be asked, then makes tables of its log."""

import random
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from fastapi.testclient import TestClient
from service import app

with TestClient(app) as client:
    for k in range(50):
        body = {"id": f"a-{k}", "income": random.gauss(0, 1), "age": random.gauss(0, 1)}
        client.post("/predict", json=body).raise_for_status()
        client.post(f"/outcome/a-{k}/paid").raise_for_status()
subprocess.run([sys.executable, "-m", "backslide", "log", "rollup"], check=True)
