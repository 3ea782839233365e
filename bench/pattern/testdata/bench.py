# SPDX-License-Identifier: Apache-2.0
"""Prints how many seconds the OASIS implementations take: of {"parse": [pattern, …]} to
validate each, of {"match": [pattern, …], "bundle": bundle} to match each."""
import json
import sys
import time
import warnings

warnings.simplefilter("ignore")

from stix2matcher.matcher import Pattern  # noqa: E402
from stix2patterns.validator import run_validator  # noqa: E402

q = json.load(sys.stdin)
begin = time.perf_counter()
for p in q.get("parse", []):
    if run_validator(p, "2.1"):
        sys.exit("refused: " + p)
if "match" in q:
    compiled = [Pattern(p, "2.1") for p in q["match"]]
    begin = time.perf_counter()
    for p in compiled:
        p.match([q["bundle"]])
print(time.perf_counter() - begin)
