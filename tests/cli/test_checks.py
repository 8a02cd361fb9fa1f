"""``backslide checks``: the listing shows everything that is registered, with words."""

from __future__ import annotations

import json
import re

from backslide.causes.faults.registry import all_signatures
from backslide.contracts.cause import CauseKind
from backslide.contracts.finding import Step
from backslide.playbook.registry import all_checks


def test_json_lists_every_check_with_its_documentation(backslide):
    ran = backslide("checks", "--json")
    listing = json.loads(ran.out)
    assert ran.code == 0
    assert [check["code"] for check in listing["checks"]] == [check.code for check in all_checks()]
    for check in listing["checks"]:
        assert re.fullmatch(r"[A-Z]{3}\d{3}", check["code"])
        assert check["title"]
        assert len(check["about"]) > 100, f"{check['code']} has no documentation page"
        assert check["step"] in [step.value for step in Step]


def test_json_lists_every_kind_of_cause(backslide):
    causes = json.loads(backslide("checks", "--json").out)["causes"]
    assert [cause["kind"] for cause in causes] == [kind.value for kind in CauseKind]
    told = {cause["kind"] for cause in causes if cause["signature"]}
    assert told == {signature.kind.value for signature in all_signatures()}


def test_text_is_in_the_order_of_the_playbook(backslide):
    ran = backslide("checks")
    assert ran.code == 0
    places = [ran.out.index(check.code) for check in all_checks()]
    assert places == sorted(places)
    for signature in all_signatures():
        assert signature.kind.value in ran.out
