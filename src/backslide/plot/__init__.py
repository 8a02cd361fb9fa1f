"""Quick looks: one line, two periods, an Altair chart, nothing to configure.

    from backslide import plot

    plot.categorical(good, bad, "document_type")
    plot.numeric(good, bad, "income")
    plot.confidence(good, bad)
    plot.confusion(good, bad, label="outcome", prediction="decision")
    plot.over_time(good, bad, "accuracy")

``good`` and ``bad`` are whatever ``diagnose`` takes: pandas, Polars or Arrow tables, a path, a glob, a Delta table. All rows
are counted, in bounded memory; a chart holds aggregated numbers only. A look is no test: ``diagnose`` says what is noise.
"""

from backslide.plot.inputs import categorical as categorical
from backslide.plot.inputs import numeric as numeric
from backslide.plot.matrices import confusion as confusion
from backslide.plot.outputs import confidence as confidence
from backslide.plot.timeline import over_time as over_time

__all__ = ["categorical", "confidence", "confusion", "numeric", "over_time"]
