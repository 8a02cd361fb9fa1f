"""Lines that the terminal and Markdown share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backslide.report.documents.diagnosis import Unchecked, View


def metric_line(view: View) -> str:
    """``accuracy 84.2 % → 80.8 %, −3.4 points [−4.5 to −2.3], worse``."""
    metric = view.metric
    line = f"{metric.name} {metric.reference} → {metric.current}"
    if metric.change:
        line += f", {metric.change}{bracket(metric.interval)}"
    if metric.direction:
        line += f", {metric.direction}"
    return line + (f" ({metric.basis})" if metric.basis else "")


def since_line(view: View) -> str:
    """When it began, within which bounds, and what happened close by."""
    return ", ".join(part for part in (view.onset, view.onset_interval, *view.onset_events) if part)


def named(item: Unchecked) -> str:
    """``SHD001 Exact replay``."""
    return f"{item.code} {item.title}" if item.code else item.title


def bracket(interval: str) -> str:
    """`` [−4.5 to −2.3]``, or nothing."""
    return f" [{interval}]" if interval else ""
