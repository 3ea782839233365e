# SPDX-License-Identifier: Apache-2.0
# Parses each object of a bundle with python-stix2 and prints how long that took.
import json
import sys
import time

import stix2

with open(sys.argv[1], encoding="utf-8") as f:
    objects = json.load(f)["objects"]
began = time.perf_counter()
for o in objects:
    stix2.parse(o)
print(json.dumps({"seconds": time.perf_counter() - began, "objects": len(objects)}))
