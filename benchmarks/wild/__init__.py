"""The benchmark of the wild: incidents that no detector was written for, in consecutive periods of real data.

Read it in this order: ``sets`` (tables with their real time), ``worlds`` (models and windows), ``incident`` (what an incident
is), ``stories`` (one function an incident, one file a family), ``catalogue`` (all of them), ``cells`` (the stored draw),
``truth`` (the true effect on the same rows), ``stage`` (one cell set up), ``run``, ``score`` and ``report``.

The stories are written from what goes wrong in pipelines. Nothing here imports a detector, and the kinds accepted for a story
stand beside it, written before any diagnosis was run.
"""
