"""A service that keeps what it was asked and answered with ``bentoml.monitor``."""

import bentoml

for age, job, said in ((41, "nurse", "no"), (52, "cook", "yes"), (33, "nurse", "no")):
    with bentoml.monitor("loans") as monitor:
        monitor.log(age, name="age", role="feature", data_type="numerical")
        monitor.log(job, name="job", role="feature", data_type="categorical")
        monitor.log([age / 100, 0.5], name="vector", role="feature", data_type="numerical_sequence")
        monitor.log(said, name="said", role="prediction", data_type="categorical")
