# SPDX-License-Identifier: Apache-2.0
"""Drives the OASIS taxii2-client against a server; prints what it got as JSON.

Arguments: discovery URL, user, password, collection id, a file with an envelope.
"""
import json
import sys
import warnings

warnings.simplefilter("ignore")
from taxii2client.v21 import Server, as_pages  # noqa: E402

url, user, password, collection_id, path = sys.argv[1:]
out = {}
server = Server(url, user=user, password=password)
out["title"], out["default"] = server.title, server.default.url
root = server.default
out["versions"], out["max"] = root.versions, root.max_content_length
out["collections"] = [[c.id, c.can_read, c.can_write] for c in root.collections]
col = [c for c in root.collections if c.id == collection_id][0]

with open(path, "rb") as f:
    status = col.add_objects(f.read(), poll_interval=0.05)
out["status"] = [status.status, status.total_count, status.success_count, status.failure_count, status.pending_count]
again = root.get_status(status.id)
out["again"] = again.status

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
