"""Late labels from a feature store into the log: outcomes of the predictions that still wait for one, from Feast's offline store.

Runs on a schedule beside the feature repository; `backslide` may live in an environment of its own. What is in the log already is
not added again. It ends like the command: 0 done, 2 is no answer, and worth another try.
"""

import subprocess
import sys

import pandas as pd
from feast import FeatureStore

REPOSITORY, KEY, OUTCOME = ".", "request_id", "outcomes:outcome"
LOG = ("--store", "log", "--model", "loans")

exported = subprocess.run(["backslide", "log", "export", *LOG, "served.parquet"])
if exported.returncode:
    sys.exit(exported.returncode)
served = pd.read_parquet("served.parquet")
waiting = served[served["label"].isna()]
asked = pd.DataFrame({KEY: waiting["id"], "event_timestamp": pd.Timestamp.now(tz="UTC")})
outcomes = FeatureStore(REPOSITORY).get_historical_features(asked, [OUTCOME]).to_df()
labels = outcomes.rename(columns={KEY: "id", OUTCOME.split(":")[1]: "label"})[["id", "label"]].dropna()
labels.to_parquet("labels.parquet", index=False)
sys.exit(subprocess.run(["backslide", "log", "label", *LOG, "labels.parquet", "--source", "feast"]).returncode)
