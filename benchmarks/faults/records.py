"""Records of cases: a results file read back, and a record in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def read(path: Path) -> list[Record]:
    """Records of a results file; of a case done twice, the later."""
    if not path.exists():
        return []
    records = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return list({record["id"]: record for record in records}.values())


def in_one_line(record: Record) -> str:
    """``id: verdict; fault (effect) named at rank; first cause``."""
    if "error" in record or "not_possible" in record:
        return f"{record['id']}: {record.get('error') or record['not_possible']}"
    first = record["causes"][0] if record["causes"] else None
    said = f"{first['kind']}({', '.join(first['features'])})" if first else "no cause"
    held = "; ".join(
        f"{f['kind']}({', '.join(f['columns'])}) {'large' if f['large'] else 'small'} {f['harm']:.3g} rank {f['rank']}"
        for f in record["faults"]
    )
    return f"{record['id']}: {record['verdict']}; {held or 'nothing done'}; said {said}; {record['seconds']:.1f} s"
