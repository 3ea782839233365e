# SPDX-License-Identifier: Apache-2.0
# Writes an event as PyMISP makes it, with objects by its own templates.
import sys

from pymisp import MISPEvent, MISPEventReport, MISPObject

event = MISPEvent()
event.uuid = "0b1c2d3e-0000-4000-8000-000000000001"
event.info = "Lamp in the harbour (fiction)"
event.date = "2026-02-01"
event.timestamp = 1770900000
event.threat_level_id = 2
event.analysis = 1
event.distribution = 3
event.Orgc = {"name": "Quay CERT (fiction)", "uuid": "0b1c2d3e-0000-4000-a000-000000000001"}
event.add_tag("tlp:green")
event.add_tag('misp-galaxy:ransomware="Lamp"')


def attribute(n, typ, value, **kw):
    a = event.add_attribute(typ, value, uuid="0b1c2d3e-0000-4000-9000-%012d" % n, timestamp=1770800000, **kw)
    return a


first = attribute(1, "domain", "lamp.example", to_ids=True, category="Network activity", comment="the door")
first.add_tag('lamp:colour="Red"')
first.add_sighting({"type": "0", "date_sighting": 1770850000, "source": "a log"})
first.add_sighting({"type": "1", "date_sighting": 1770850001, "source": "an analyst"})
attribute(2, "ip-dst|port", "192.0.2.7|443", to_ids=True)
attribute(3, "filename|md5", "lamp.exe|d41d8cd98f00b204e9800998ecf8427e", to_ids=True)
attribute(4, "comment", "lit at night")
attribute(5, "url", "https://quay.example/report", to_ids=False, category="External analysis")
attribute(6, "email-subject", "Your lamp", to_ids=False)


def template(n, name, /, **values):
    o = MISPObject(name, strict=True)
    o.uuid = "0b1c2d3e-0000-4000-b000-%012d" % n
    o.timestamp = 1770800000
    for k, (relation, value) in enumerate(sorted(values.items())):
        relation = relation.replace("_", "-")
        for i, v in enumerate(value if isinstance(value, list) else [value]):
            a = o.add_attribute(relation, value=v)
            a.uuid = "0b1c2d3e-0000-4000-9%03d-%012d" % (n, 10 * k + i)
            a.timestamp = 1770800000
            a.to_ids = relation in ("md5", "sha1")
    event.add_object(o)
    return o


file = template(1, "file", filename="lamp.dll", md5="0cc175b9c0f1b6a831c399e269772661", sha1="86f7e437faa5a7fce15d1ddcb9eaeaea377667b8", size_in_bytes=1, entropy="0.5")
pair = template(2, "domain-ip", domain="wick.example", ip=["192.0.2.8", "2001:db8::8"])
template(3, "email", subject="Oil", to=["keeper@quay.example"], **{"from": "wick@lamp.example"})
template(4, "network-connection", ip_src="192.0.2.1", ip_dst="192.0.2.9", dst_port=8443, layer4_protocol="tcp")
template(5, "registry-key", key="HKEY_LOCAL_MACHINE\\Software\\Lamp", name="Oil", data="burn", data_type="REG_SZ")
template(6, "asn", asn="64496", description="Quay")
template(7, "credential", username="keeper", password="secret of the quay")
template(8, "vulnerability", id="CVE-2026-0001", summary="A lamp that lights itself")
ref = file.add_reference(pair.uuid, "connects-to", "at night")
ref.uuid = "0b1c2d3e-0000-4000-b001-000000000001"
report = MISPEventReport()
report.from_dict(uuid="0b1c2d3e-0000-4000-b002-000000000001", name="The night", content="# Lamp\n\nIt burned.", timestamp=1770800000)
event.add_event_report(name=report.name, content=report.content, uuid=report.uuid, timestamp=1770800000)
with open(sys.argv[1], "w") as f:
    f.write('{"Event": ' + event.to_json() + "}")
