"""A deployment of Ray Serve that adds requests and responses to its JSON log, asked three times over HTTP."""

import json
import logging
import time
import urllib.request

import ray
from ray import serve
from ray.serve.schema import LoggingConfig


@serve.deployment(logging_config=LoggingConfig(encoding="JSON", logs_dir="logs"))
class Loans:
    async def __call__(self, request):
        body = await request.json()
        answer = {"predictions": ["yes" if row["age"] > 50 else "no" for row in body["instances"]]}
        logging.getLogger("ray.serve").info("served", extra={"request": body, "response": answer})
        return answer


ray.init(num_cpus=1, include_dashboard=False, object_store_memory=80 * 2**20, log_to_driver=False)
serve.start(http_options={"port": 18231})
serve.run(Loans.bind())
for age, job in ((41, "nurse"), (52, "cook"), (33, "nurse")):
    data = json.dumps({"instances": [{"age": age, "job": job}]}).encode()
    urllib.request.urlopen(
        urllib.request.Request("http://127.0.0.1:18231/", data, {"Content-Type": "application/json"})
    ).read()
time.sleep(2)  # the log is written behind
serve.shutdown()
ray.shutdown()
