"""What watching found as Prometheus metrics."""

from __future__ import annotations

from backslide.contracts.extras import needs
from backslide.contracts.moments import parse_moment
from backslide.contracts.watch import Level, WatchReport

_NUMBER = {Level.QUIET: 0, Level.WATCH: 1, Level.ALARM: 2}


def exposition(*reports: WatchReport) -> str:
    """Prometheus' text format, of one model or several.

    Raises:
        MissingExtraError: prometheus-client is not installed.
    """
    with needs("watch", "writing metrics"):
        from prometheus_client import CollectorRegistry, Gauge, generate_latest
    registry = CollectorRegistry()

    def gauge(name: str, words: str, labels: tuple[str, ...] = ("model",)) -> Gauge:
        return Gauge(f"backslide_{name}", words, labels, registry=registry)

    status = gauge("status", "0 quiet, 1 early sign, 2 alarm")
    open_incidents = gauge("open_incidents", "Open incidents")
    periods = gauge("periods_waiting_for_labels", "Periods that cannot be judged yet")
    messages = gauge("messages_waiting", "Messages not delivered yet")
    looked = gauge("last_look_timestamp_seconds", "When watching looked last")
    of_stream = ("model", "stream")
    level = gauge("stream_level", "0 quiet, 1 early sign, 2 alarm", of_stream)
    value = gauge("stream_value", "Value of the last period", of_stream)
    expected = gauge("stream_expected", "Value that the reference leads one to expect", of_stream)
    low = gauge("stream_low", "Lower end of the band of the last period: 95 of 100 quiet periods lie in it", of_stream)
    high = gauge("stream_high", "Upper end of that band", of_stream)
    evidence = gauge("stream_evidence", "Evidence of a change as a share of the alarm's limit, log scale", of_stream)
    estimates = [one.estimated.estimate for one in reports if one.estimated is not None]
    estimated = gauge("estimated_performance", "Of periods without labels") if any(estimates) else None
    for report in reports:
        model = report.model
        status.labels(model).set(_NUMBER[report.status])
        open_incidents.labels(model).set(sum(one.open for one in report.incidents))
        periods.labels(model).set(report.labels.waiting)
        messages.labels(model).set(sum(one.status == "waiting" for one in report.deliveries))
        looked.labels(model).set(parse_moment(report.as_of).timestamp())
        for stream in report.streams:
            level.labels(model, stream.name).set(_NUMBER[stream.level])
            evidence.labels(model, stream.name).set(stream.evidence)
            if stream.latest is not None:
                value.labels(model, stream.name).set(stream.latest.value)
                expected.labels(model, stream.name).set(stream.latest.expected)
                low.labels(model, stream.name).set(stream.latest.low)
                high.labels(model, stream.name).set(stream.latest.high)
        if estimated is not None and report.estimated is not None and report.estimated.estimate is not None:
            estimated.labels(model).set(report.estimated.estimate.estimate)
    return generate_latest(registry).decode()
