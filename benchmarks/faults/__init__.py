"""The fault bench: faults done to real data sets, diagnosed, and held against what they truly cost.

Read it in this order: ``sets`` (the tables), ``pipelines`` (the models), ``windows`` (reference and current), the faults
(``value_faults``, ``text_faults``, ``own_faults``, ``world_faults``, gathered in ``catalogue``), ``cells`` (which cases there
are), ``play`` (one case from draw to record), ``run`` and ``report``.

The faults are written from what each kind means in a pipeline. Nothing here imports a detector.
"""
