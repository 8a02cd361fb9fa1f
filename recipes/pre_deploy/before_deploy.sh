#!/bin/sh
# Before a deployment: is the stack the same, is the new model as good on the same traffic, may it replace the old one?
# The first question with a no ends with 1 and the deployment with it; 2 is no answer, and no deployment either.
# Snapshots are made by `backslide snapshot` where the model was trained and where it will serve.
set -eu
config="${1:-backslide.toml}"
reports="${2:-reports}"
mkdir -p "$reports"
backslide integrity training.snapshot.json serving.snapshot.json -q --junit "$reports/integrity.xml"
backslide shadow "$config" -q --junit "$reports/shadow.xml" --html "$reports/shadow.html"
backslide gate "$config" -q --junit "$reports/gate.xml" --html "$reports/gate.html"
