"""A retraining that is killed at any step of its publication: the registry keeps a current version that loads, and goes on."""

from __future__ import annotations

import os
import signal

import logs
import pytest

from backslide.retraining import registry
from backslide.retraining.registry import current_version, load_version, publish, versions_of

STEPS = ("fsync", "rename", "replace")


def die_at(step: int) -> None:
    """Kill this process at the so manieth step of the file system."""
    seen = 0

    def wrap(call):
        def dying(*arguments, **options):
            nonlocal seen
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return dying

    for name in STEPS:
        setattr(registry.os, name, wrap(getattr(os, name)))


@pytest.mark.slow
def test_retraining_that_is_killed_while_it_publishes_leaves_a_whole_registry(tmp_path, monkeypatch):
    log = logs.log(1, turn=1.0)
    policy = {"windows": ["recent"]}
    former = log.retrain(registry=tmp_path, policy=policy).version
    assert former is not None
    killed = 0

    def publish_after_dying(*arguments, **options):
        """What the job publishes, published before by children that are killed at one step each."""
        nonlocal killed
        for step in range(1, 60):
            child = os.fork()
            if child == 0:
                try:
                    die_at(step)
                    publish(*arguments, **options)
                finally:
                    os._exit(0)
            _, status = os.waitpid(child, 0)
            for name in versions_of(tmp_path):
                assert load_version(tmp_path, name).model is not None
            assert current_version(tmp_path) in versions_of(tmp_path)
            if not os.WIFSIGNALED(status):
                break
            killed += 1
        return publish(*arguments, **options)

    monkeypatch.setattr(registry, "publish", publish_after_dying)
    version = log.retrain(registry=tmp_path, policy=policy).version
    assert killed >= 8
    assert version is not None
    assert current_version(tmp_path) == os.path.basename(str(version))
    assert load_version(tmp_path).model is not None
