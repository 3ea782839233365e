# SPDX-License-Identifier: Apache-2.0
# time.py reads STIX objects, one a line, and prints how many seconds the validator
# and the parser take over all of them.
import json
import logging
import sys
import time
import warnings

import stix2
from stix2validator import ValidationOptions, validate_instance

warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
options = ValidationOptions(version="2.1")
lines = sys.stdin.read().splitlines()


def parse(line):
    try:
        stix2.parse(line, allow_custom=True, version="2.1")
    except Exception:  # what it refuses takes its time too
        pass


def timed(f):
    f(lines[0])  # what is loaded once is not counted
    begun = time.perf_counter()
    for line in lines:
        f(line)
    return time.perf_counter() - begun


print(json.dumps({"validator": timed(lambda line: validate_instance(json.loads(line), options)), "stix2": timed(parse)}))
