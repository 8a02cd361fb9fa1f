"""A feature repository of Feast's newest release: outcomes by request, in a Parquet file, with one that is later than now."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import String

now = datetime.now(UTC)
pd.DataFrame(
    {
        "request_id": ["r-0", "r-1", "r-2", "elsewhere"],
        "outcome": ["paid", "default", "paid", "paid"],
        "event_timestamp": [
            now - timedelta(days=1),
            now - timedelta(days=1),
            now + timedelta(days=9),
            now - timedelta(days=1),
        ],
    }
).to_parquet("outcomes.parquet")
Path("feature_store.yaml").write_text("""
project: loans
provider: local
registry: registry.db
offline_store: {type: file}
online_store: {type: sqlite, path: online.db}
entity_key_serialization_version: 3
""")
request = Entity(name="request", join_keys=["request_id"], value_type=ValueType.STRING)
outcomes = FeatureView(
    name="outcomes",
    entities=[request],
    ttl=timedelta(days=90),
    schema=[Field(name="outcome", dtype=String)],
    source=FileSource(path=str(Path("outcomes.parquet").resolve()), timestamp_field="event_timestamp"),
)
FeatureStore(".").apply([request, outcomes])
