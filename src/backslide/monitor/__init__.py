"""Continuous monitoring: streams by period, late labels, alarms with a stated rate, and who is told."""
