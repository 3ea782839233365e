# SPDX-License-Identifier: Apache-2.0
"""Serves medallion, the OASIS TAXII server, with its memory backend.

Argument: its configuration. Prints the port it listens on, on loopback.
"""
import json
import logging
import sys

logging.disable(logging.CRITICAL)
from medallion import application_instance, register_blueprints, set_config  # noqa: E402
from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: E402

with open(sys.argv[1]) as f:
    config = json.load(f)
for part in ("users", "taxii", "backend"):
    set_config(application_instance, part, config)
register_blueprints(application_instance)
WSGIRequestHandler.log = lambda *args: None
server = make_server("127.0.0.1", 0, application_instance, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
