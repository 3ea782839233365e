# SPDX-License-Identifier: Apache-2.0
# peer.py answers, for each line of standard input that is one STIX object, what
# stix2-validator and python-stix2 think of it: one JSON object a line.
import json
import logging
import sys
import warnings

import stix2
import stix2.exceptions
from stix2validator import ValidationOptions, validate_instance

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
options = ValidationOptions(version="2.1")


def parsed(obj, custom):
    try:
        return stix2.parse(json.loads(json.dumps(obj)), allow_custom=custom, version="2.1"), ""
    except Exception as e:  # whatever it is, it is a refusal
        return None, type(e).__name__ + ": " + str(e)


def made(obj):
    """The deterministic id that python-stix2 makes of a cyber-observable."""
    if not isinstance(obj.get("type"), str) or obj["type"] not in stix2.registry.STIX2_OBJ_MAPS["2.1"]["observables"]:
        return ""
    without = {k: v for k, v in obj.items() if k != "id"}
    got, _ = parsed(without, True)
    return got["id"] if got is not None else ""


for line in sys.stdin:
    obj = json.loads(line)
    try:
        result = validate_instance(json.loads(line), options)
        valid, errors = result.is_valid, [str(e) for e in result.errors]
    except Exception as e:
        valid, errors = False, ["crash: " + type(e).__name__]
    _, strict = parsed(obj, False)
    _, custom = parsed(obj, True)
    print(json.dumps({"valid": valid, "errors": errors, "strict": strict, "custom": custom, "id": made(obj)}), flush=True)
