# SPDX-License-Identifier: Apache-2.0
"""Drives the OASIS taxii2-client against a server; prints what it got as JSON.

Arguments: discovery URL, user, password, collection id, a file with an envelope.
"""
import json
import sys
import warnings

warnings.simplefilter("ignore")
from taxii2client.v21 import Collection, Server, Status, as_pages  # noqa: E402

url, user, password, collection_id, path = sys.argv[1:]
out = {}
server = Server(url, user=user, password=password)
out["title"], out["default"] = server.title, server.default.url
root = server.default
out["versions"], out["max"] = root.versions, root.max_content_length
out["collections"] = [[c.id, c.can_read, c.can_write] for c in root.collections]
out["roots"] = [r.title for r in server.api_roots]
out["contact"] = server.contact
col = [c for c in root.collections if c.id == collection_id][0]
one = Collection(root.url + "collections/" + collection_id + "/", user=user, password=password)
out["one collection"] = [one.title, one.alias, one.can_read, one.can_write]
aliased = Collection(root.url + "collections/" + one.alias + "/", user=user, password=password)
try:
    aliased.refresh()
    out["by its alias"] = aliased.id
except Exception as err:  # the client wants the id in the URL, though §5.2.1 lets the alias stand there
    out["by its alias"] = type(err).__name__

with open(path, "rb") as f:
    status = col.add_objects(f.read(), poll_interval=0.05)
out["status"] = [status.status, status.total_count, status.success_count, status.failure_count, status.pending_count]
again = root.get_status(status.id)
out["again"] = again.status
out["successes"] = [s["id"] for s in again.successes]
status = Status(root.url + "status/" + status.id + "/", user=user, password=password)
status.refresh()
out["status itself"] = [status.status, status.success_count]
with open(path, "rb") as f:
    out["duplicates"] = col.add_objects(f.read(), poll_interval=0.05).failure_count
out["not waited for"] = col.add_objects({"objects": [{"type": "tool", "spec_version": "2.1"}]}, wait_for_completion=True, poll_interval=0.05).failure_count

pages = [[o["id"] for o in page.get("objects", [])] for page in as_pages(col.get_objects, per_request=4)]
out["pages"] = pages
ids = sum(pages, [])
out["manifest"] = [o["id"] for o in col.get_manifest().get("objects", [])]
out["one"] = len(col.get_object(ids[0], version="all")["objects"])
out["versions_of_one"] = col.object_versions(ids[0])["versions"]
out["typed"] = [o["id"] for o in col.get_objects(type=["malware"]).get("objects", [])]
out["first"] = [o["modified"] for o in col.get_objects(id=ids[0], version="first")["objects"]]
after = col.get_manifest()["objects"][2]["date_added"]
out["after"] = [o["id"] for o in col.get_objects(added_after=after)["objects"]]
out["spec 2.0"] = col.get_objects(spec_version="2.0")
out["spec 2.1"] = len(col.get_objects(spec_version=["2.0", "2.1"])["objects"])
out["two ids"] = [o["id"] for o in col.get_objects(id=ids[1:3])["objects"]]
out["a version"] = [o["modified"] for o in col.get_objects(id=ids[0], version=out["versions_of_one"][0])["objects"]]
out["manifest of a type"] = [o["id"] for o in col.get_manifest(type="malware")["objects"]]
out["manifest of a version"] = [o["version"] for o in col.get_manifest(id=ids[0], version="first,last")["objects"]]
out["limited"] = [len(col.get_objects(limit=3)["objects"]), len(col.get_manifest(limit=2)["objects"])]
out["object pages"] = [len(p["objects"]) for p in as_pages(col.get_object, 1, ids[0], version="all")]
col.delete_object(ids[1], version=[o["version"] for o in col.get_manifest(id=ids[1])["objects"]][0])
out["version deleted"] = [o["id"] for o in col.get_objects(id=ids[1]).get("objects", [])]
col.delete_object(ids[0])
try:
    col.get_object(ids[0])
    out["deleted"] = "still here"
except Exception as err:
    out["deleted"] = err.response.status_code
try:
    Server(url, user=user, password="wrong").title
    out["wrong"] = "let in"
except Exception as err:
    out["wrong"] = err.response.status_code
json.dump(out, sys.stdout)
