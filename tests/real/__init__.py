"""The real data sets: models and logs (``worlds``), faults (``faults``), quiet stretches (``periods``). Also for benchmarks."""
