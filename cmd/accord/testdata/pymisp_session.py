# SPDX-License-Identifier: Apache-2.0
# What a tool built on PyMISP does with a node: argv are the URL, the CA file, the
# party's token, the reader's URL and token. It prints what it saw as JSON.
import json
import sys
import tempfile
import warnings
from datetime import date
from pathlib import Path

import requests
from pymisp import MISPEvent, PyMISP, PyMISPError

url, ca, token, own_url, reader = sys.argv[1:6]
warnings.simplefilter("ignore")
out = {}
misp = PyMISP(url, token, ssl=ca)
out["types"] = len(misp.types)
out["categories"] = len(misp.categories)

attributes = misp.search(controller="attributes", pythonify=True)
out["attributes"] = sorted((a.type, a.value, a.to_ids) for a in attributes)
out["event of one"] = attributes[0].Event.info


def values(**kw):
    got = misp.search(controller="attributes", pythonify=True, **kw)
    if isinstance(got, dict):
        return got["errors"][0]
    return sorted(a.value for a in got)


out["by type"] = values(type_attribute="domain")
out["by types"] = values(type_attribute=["md5", "sha1"])
out["by value"] = values(value="lamp.example")
out["by part"] = values(value="192.0.2.7")
out["by wildcard"] = values(value="%.example")
out["by tag"] = values(tags=["lamp:colour=\"Red\""])
out["not tag"] = values(tags=misp.build_complex_query(not_parameters=["lamp:colour=\"Red\""]))
out["to_ids"] = values(to_ids=0)
out["category"] = values(category="Payload delivery")
out["timestamp"] = values(timestamp=("2026-02-11", "2026-02-12"))
out["since"] = values(timestamp="1d")
out["from"] = values(date_from=date(2026, 2, 1), date_to=date(2026, 2, 2))
out["later"] = values(date_from=date(2026, 3, 1), date_to=date(2026, 3, 2))
out["info"] = values(eventinfo="%lamp%")
out["unknown parameter"] = values(nonsense=1)
out["refused parameter"] = values(enforce_warninglist=True)
pages = [values(limit=3, page=n) for n in range(1, 21)]
out["pages"] = [len(p) for p in pages]
out["pages add up"] = sorted(sum(pages, [])) == sorted(a.value for a in attributes)
out["csv"] = misp.search(controller="attributes", return_format="csv", value="lamp.example", pythonify=True)[0]["value"]
out["text"] = misp.search(controller="attributes", return_format="text", type_attribute="domain").split()

events = misp.search(controller="events", pythonify=True)
lamp = [e for e in events if "lamp" in e.info.lower()][0]
out["events"] = len(events)
out["event"] = {
    "info": lamp.info, "date": str(lamp.date), "tags": sorted(t.name for t in lamp.tags), "org": lamp.Orgc.name,
    "objects": sorted(o.name for o in lamp.objects), "reports": [r.name for r in lamp.event_reports],
    "references": [(r.relationship_type, r.referenced_uuid) for o in lamp.objects for r in o.ObjectReference],
    "relations": sorted(a.object_relation for o in lamp.objects for a in o.attributes),
    "sightings": sorted(s.type for a in lamp.attributes for s in a.Sighting),
}
out["events by value"] = [e.uuid for e in misp.search(controller="events", value="lamp.example", pythonify=True)] == [lamp.uuid]
out["events by tag"] = len(misp.search(controller="events", tags="nothing:here", pythonify=True))
out["metadata"] = sum(len(e.attributes) for e in misp.search(controller="events", metadata=True, pythonify=True))
same = misp.get_event(lamp.uuid, pythonify=True)
out["get_event"] = same.uuid == lamp.uuid and len(same.attributes) == len(lamp.attributes)
out["by number"] = misp.get_event(lamp.id, pythonify=True).uuid == lamp.uuid
out["exists"] = misp.event_exists(lamp.uuid), misp.event_exists("0b1c2d3e-0000-4000-8000-00000000dead")
out["no such event"] = misp.get_event("0b1c2d3e-0000-4000-8000-00000000dead")["errors"][0]
index = misp.search_index(pythonify=True)
out["index"] = sorted(e.uuid for e in index) == sorted(e.uuid for e in events)
out["minimal"] = sorted(e["uuid"] for e in misp.search_index(minimal=True)) == sorted(e.uuid for e in events)
out["secret"] = values(value="secret.example")
try:
    PyMISP(url, "wrong", ssl=ca)
    out["wrong key"] = "accepted"
except PyMISPError:
    out["wrong key"] = "refused"
try:
    PyMISP(own_url, token)
    out["party on the console"] = "accepted"
except PyMISPError:
    out["party on the console"] = "refused"
own = PyMISP(own_url, reader)
out["own secret"] = [a.value for a in own.search(controller="attributes", value="secret.example", pythonify=True)]

# The feed, as a MISP that subscribes reads it.
session = requests.Session()
session.verify = ca
session.headers["Authorization"] = token
feeds = session.get(url + "feed/")
name = feeds.text.split('href="')[1].split('"')[0]
base = url + "feed/" + name
answer = session.get(base + "manifest.json")
manifest = answer.json()
out["feed"] = sorted(manifest) == sorted(e.uuid for e in events)
out["etag"] = session.get(base + "manifest.json", headers={"If-None-Match": answer.headers["ETag"]}).status_code
out["entry"] = sorted(manifest[lamp.uuid])
loaded = []
with tempfile.TemporaryDirectory() as folder:
    for uuid in manifest:
        path = Path(folder) / (uuid + ".json")
        path.write_bytes(session.get(base + uuid + ".json").content)
        event = MISPEvent()
        event.load_file(path)
        assert str(int(event.timestamp.timestamp())) == manifest[uuid]["timestamp"], uuid
        event.to_feed(with_distribution=True)
        loaded.append(event)
out["feed attributes"] = sum(len(e.attributes) + sum(len(o.attributes) for o in e.objects) for e in loaded) == len(attributes)
hashes = session.get(base + "hashes.csv").text.split()
want = {(h, e.uuid) for e in loaded for h in e.attributes_hashes("md5")} if hasattr(loaded[0], "attributes_hashes") else set()
out["hashes"] = want <= {tuple(line.split(",")) for line in hashes}
print(json.dumps(out))
