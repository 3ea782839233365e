# SPDX-License-Identifier: Apache-2.0
"""Reads what a node discloses to a party, with the OASIS taxii2-client, over HTTPS.

Arguments: discovery URL, the node's certificate, token, name of the giving party.
"""
import json
import sys
import warnings

warnings.simplefilter("ignore")
from taxii2client.v21 import Server, as_pages  # noqa: E402

url, certificate, token, giver = sys.argv[1:]
out = {}
server = Server(url, user="any", password=token, verify=certificate)
root = server.default
out["title"] = server.title
out["collections"] = [[c.title, c.can_read, c.can_write] for c in root.collections]
outbox = [c for c in root.collections if c.can_read][0]
pages = [[o["id"] for o in p.get("objects", [])] for p in as_pages(outbox.get_objects, per_request=2)]
out["pages"] = [len(p) for p in pages]
out["ids"] = sum(pages, [])
out["names"] = sorted(o.get("name", "") for o in outbox.get_objects(type=["indicator"]).get("objects", []))
entries = outbox.get_manifest()["objects"]
out["manifest"] = [e["id"] for e in entries]
out["after"] = [o["id"] for o in outbox.get_objects(added_after=entries[0]["date_added"])["objects"]]
out["one"] = [o["type"] for o in outbox.get_object(out["ids"][0])["objects"]]


def status(call):
    try:
        call()
        return "let in"
    except Exception as err:
        return err.response.status_code if getattr(err, "response", None) is not None else type(err).__name__


out["wrong token"] = status(lambda: Server(url, user="any", password="wrong", verify=certificate).default.collections)
out["no token"] = status(lambda: Server(url, verify=certificate).default.collections)
out["another's certificate"] = status(lambda: Server(url, user="any", password=token).title)
inbox = [c for c in root.collections if c.can_write][0]
out["read the inbox"] = status(lambda: inbox._conn.get(inbox.objects_url, headers={"Accept": "application/taxii+json;version=2.1"}))
json.dump(out, sys.stdout)
