// SPDX-License-Identifier: Apache-2.0

// Package sensor runs package match at an institution: it takes the index from
// its node, follows log files, and reports what it finds. The logs stay.
//
// Its own protocol, over HTTPS with a bearer token and the node's key pinned
// (SHA-256 of the SubjectPublicKeyInfo, RFC 7469 §2.4):
//
//	GET  {node}/api/v1/sensor/index?since=SEQ&generation=GEN&wait=SECONDS → the form of match.ReadIndex
//	POST {node}/api/v1/sensor/matches  match.Report as JSON  → any 2xx
//
// Offsets are bytes of the unpacked log. What is found is in the spool, on disk,
// in one step with the bookmark that passes it, before anything is sent; a batch
// keeps its id however often it is sent. So a crash or a cut at any instant
// loses no match and, as the node counts a batch once, doubles none. When the
// spool is full the sensor stops reading until it drains: the logs are the queue.
//
// A file is known by device, inode and the hash of its first bytes, so a log that
// was renamed, copied away, packed or truncated is neither read twice nor skipped.
//
// Failures of the node are logged, waited out and tried again; those of the state
// directory end Run. A Sensor runs once; Run owns every goroutine it starts.
package sensor
