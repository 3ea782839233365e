# SPDX-License-Identifier: Apache-2.0
"""Answers what the OASIS reference implementations say of patterns: one JSON object
a line in, one a line out. {"parse": pattern} asks stix2-patterns, {"match": pattern,
"bundle": bundle} asks stix2-matcher."""
import json
import sys
import warnings

warnings.simplefilter("ignore")

from stix2matcher.matcher import MatchListener  # noqa: E402
from stix2patterns.v21.pattern import Pattern  # noqa: E402
from stix2patterns.validator import run_validator  # noqa: E402

compiled = {}


def answer(q):
    try:
        if "parse" in q:
            why = run_validator(q["parse"], "2.1")
            return {"ok": not why, "why": "; ".join(why)}
        if q["match"] not in compiled:
            compiled.clear()
            compiled[q["match"]] = Pattern(q["match"])
        listener = MatchListener([q["bundle"]], False, "2.1")
        compiled[q["match"]].walk(listener)
        return {"ok": next(listener.matched(), None) is not None, "why": ""}
    except Exception as e:  # whatever it is, it is the answer
        return {"ok": False, "failed": True, "why": type(e).__name__ + ": " + str(e)}


def main():
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))))
    sys.stdout.flush()


main()
