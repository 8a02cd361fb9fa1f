"""The check of an asset, materialised once."""

import dagster as dg
from backslide_check import predictions, still_as_good

result = dg.materialize([predictions, still_as_good], raise_on_error=False)
(check,) = result.get_asset_check_evaluations()
print("ANSWER", "good" if check.passed else "alarm", check.metadata["status"].value)
