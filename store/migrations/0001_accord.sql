-- SPDX-License-Identifier: Apache-2.0
--
-- One text for SQLite and PostgreSQL. Four words in braces are replaced by the
-- dialect (migrate.go): {text} text compared byte by byte, {bytes} opaque bytes,
-- {rowid} an application-made integer key that the table is stored by, and
-- {clustered} after a table that is stored in the order of its key.
--
-- Stamps are microseconds since the Unix epoch, 0 = none. Booleans are 0 and 1.
-- Numbers named n and seq are made by the program from table counter, whose row
-- 'seq' every writer updates first: that is what puts writers in line.

CREATE TABLE counter (
  name {text} PRIMARY KEY,
  n    BIGINT NOT NULL
) {clustered};
INSERT INTO counter (name, n) VALUES ('seq', 0), ('protection', 0), ('audit', 0), ('refusal', 0);

-- Totals kept in the transaction of what they count.
CREATE TABLE tally (
  kind {text} NOT NULL,
  name {text} NOT NULL, -- a party, a type, a source, a zone
  part {text} NOT NULL, -- an article: ["agreement",version,"article"], so that it is one text
  n    BIGINT NOT NULL,
  PRIMARY KEY (kind, name, part)
) {clustered};

CREATE TABLE change (
  seq     {rowid},
  kind    {text} NOT NULL,
  id      {text} NOT NULL,
  version BIGINT NOT NULL,
  at      BIGINT NOT NULL
);

-- Where each stage stands in the change feed.
CREATE TABLE stage (
  name {text} PRIMARY KEY,
  seq  BIGINT NOT NULL
) {clustered};

CREATE TABLE item (
  n           {rowid}, -- the seq it was first stored at
  id          {text} NOT NULL,
  version     BIGINT NOT NULL,
  type        {text} NOT NULL,
  latest      BIGINT NOT NULL, -- 1 for the newest version of id
  seq         BIGINT NOT NULL,
  party       {text} NOT NULL, -- '' is the node's own
  source      {text} NOT NULL,
  lname       {text} NOT NULL, -- name in lower case for search; '' when an observable says the same
  withdrawn   BIGINT NOT NULL,
  held        {text} NOT NULL,
  spec        {text} NOT NULL,
  name        {text} NOT NULL,
  created     BIGINT NOT NULL,
  valid_from  BIGINT NOT NULL,
  valid_until BIGINT NOT NULL,
  created_by  {text} NOT NULL,
  class       {text} NOT NULL,
  confidence  BIGINT NOT NULL,
  revoked     BIGINT NOT NULL,
  tlp         BIGINT NOT NULL,
  pap         BIGINT NOT NULL,
  atomic      BIGINT NOT NULL,
  added       BIGINT NOT NULL,
  origin      {text} NOT NULL, -- JSON, '' for the zero origin
  facts       {text} NOT NULL, -- JSON: observables, refs, labels, sectors
  why         {text} NOT NULL, -- reason of a withdrawal
  retain      BIGINT NOT NULL, -- when its content must be deleted; 0 also once it is
  bytes       {bytes} NOT NULL -- empty once deleted
);
CREATE UNIQUE INDEX item_key ON item (id, version);
CREATE INDEX item_type ON item (type, seq);
CREATE INDEX item_source ON item (source, n);
CREATE INDEX item_party ON item (party, n) WHERE party <> '';
CREATE INDEX item_withdrawn ON item (seq) WHERE withdrawn > 0;
CREATE INDEX item_retain ON item (retain) WHERE retain > 0;
CREATE INDEX item_held ON item (seq) WHERE held <> '';
CREATE INDEX item_name ON item (lname, n) WHERE lname <> '';

-- Of the newest version of each item: by which values and from which references it is found.
CREATE TABLE observable (
  value {text} NOT NULL,
  item  BIGINT NOT NULL,
  PRIMARY KEY (value, item)
) {clustered};
CREATE TABLE ref (
  target {text} NOT NULL,
  item   BIGINT NOT NULL,
  PRIMARY KEY (target, item)
) {clustered};
CREATE TABLE author (
  id {text} PRIMARY KEY,
  n  BIGINT NOT NULL -- items that live and name it, itself apart
) {clustered};

CREATE TABLE disclosure (
  party        {text} NOT NULL,
  idx          BIGINT NOT NULL,
  stamp        BIGINT NOT NULL,
  item_id      {text} NOT NULL,
  item_version BIGINT NOT NULL,
  agreement    {text} NOT NULL,
  version      BIGINT NOT NULL,
  article      {text} NOT NULL,
  redacted     {text} NOT NULL,
  sent_id      {text} NOT NULL,
  sent_version BIGINT NOT NULL,
  sent_type    {text} NOT NULL,
  standing     BIGINT NOT NULL, -- 1: newest of its sent id and version, and not retracted
  receipted    BIGINT NOT NULL,
  retracted    BIGINT NOT NULL,
  confirmed    BIGINT NOT NULL,
  sum          {bytes} NOT NULL,
  bytes        {bytes},         -- NULL: the item's
  PRIMARY KEY (party, idx)
);
CREATE INDEX disclosure_item ON disclosure (item_id, party, idx);
CREATE INDEX disclosure_sent ON disclosure (sent_id, party, idx) WHERE sent_id <> item_id;
CREATE INDEX disclosure_standing ON disclosure (party, stamp) WHERE standing = 1;
CREATE INDEX disclosure_type ON disclosure (party, sent_type, stamp) WHERE standing = 1;

CREATE TABLE withheld (
  item_id      {text} NOT NULL,
  party        {text} NOT NULL,
  item_version BIGINT NOT NULL,
  type         {text} NOT NULL,
  agreement    {text} NOT NULL,
  version      BIGINT NOT NULL, -- of the agreement
  article      {text} NOT NULL,
  reasons      {text} NOT NULL,
  at           BIGINT NOT NULL,
  PRIMARY KEY (item_id, party)
) {clustered};

-- The ledger: where each log stands, its leaves, its rows of hashes.
CREATE TABLE head (
  origin     {text} PRIMARY KEY,
  size       BIGINT NOT NULL,
  root       {bytes} NOT NULL,
  checkpoint {bytes} NOT NULL,
  cosigned   BIGINT NOT NULL,
  cosigner   {bytes} NOT NULL
);
CREATE TABLE leaf (
  origin {text} NOT NULL,
  idx    BIGINT NOT NULL,
  kind   {text} NOT NULL,
  salt   {bytes} NOT NULL,
  record {bytes} NOT NULL,
  PRIMARY KEY (origin, idx)
) {clustered};
CREATE TABLE tile (
  origin {text} NOT NULL,
  level  BIGINT NOT NULL,
  idx    BIGINT NOT NULL,
  data   {bytes} NOT NULL,
  PRIMARY KEY (origin, level, idx)
);

CREATE TABLE received (
  party        {text} NOT NULL,
  idx          BIGINT NOT NULL,
  item_id      {text} NOT NULL,
  item_version BIGINT NOT NULL,
  sum          {bytes} NOT NULL,
  origin       {text} NOT NULL,
  announced    BIGINT NOT NULL,
  held         BIGINT NOT NULL,
  retracted    BIGINT NOT NULL,
  confirmed    BIGINT NOT NULL,
  change_seq   BIGINT NOT NULL, -- of the withdrawn change its retraction made; 0 = none was needed
  PRIMARY KEY (party, idx)
) {clustered};
CREATE INDEX received_item ON received (item_id, party, idx);
CREATE INDEX received_unconfirmed ON received (confirmed, party, idx) WHERE retracted > 0;

CREATE TABLE pushed (
  party {text} PRIMARY KEY,
  upto  BIGINT NOT NULL
) {clustered};

CREATE TABLE party (
  name     {text} PRIMARY KEY,
  nation   {text} NOT NULL,
  title    {text} NOT NULL,
  url      {text} NOT NULL,
  note_key {text} NOT NULL,
  tls_pin  {text} NOT NULL,
  identity {text} NOT NULL
);
CREATE TABLE agreement (
  id       {text} NOT NULL,
  version  BIGINT NOT NULL,
  note     {bytes} NOT NULL,
  added    BIGINT NOT NULL,
  in_force BIGINT NOT NULL,
  PRIMARY KEY (id, version)
);
CREATE TABLE suspension (
  agreement {text} NOT NULL,
  party     {text} NOT NULL,
  at        BIGINT NOT NULL,
  note      {bytes} NOT NULL,
  lifted    BIGINT NOT NULL,
  PRIMARY KEY (agreement, party, at)
);

CREATE TABLE sighting (
  n         {rowid},
  id        {text} NOT NULL,
  indicator {text} NOT NULL,
  value     {text} NOT NULL,
  first     BIGINT NOT NULL,
  last      BIGINT NOT NULL,
  times     BIGINT NOT NULL,
  doc       {text} NOT NULL -- JSON of the match when first stored
);
CREATE UNIQUE INDEX sighting_id ON sighting (id);
CREATE INDEX sighting_indicator ON sighting (indicator, n);
CREATE INDEX sighting_value ON sighting (value, n);

-- Batches of matches that were added: one that comes again is not added twice.
CREATE TABLE applied (
  batch {text} PRIMARY KEY,
  at    BIGINT NOT NULL
) {clustered};
CREATE INDEX applied_at ON applied (at);

CREATE TABLE protection (
  zone    {text} NOT NULL,
  kind    {text} NOT NULL,
  value   {text} NOT NULL,
  item    {text} NOT NULL,
  version BIGINT NOT NULL,
  long    {text} NOT NULL, -- the value when too long for an index, else ''
  source  {text} NOT NULL,
  added   BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  n       BIGINT NOT NULL,
  PRIMARY KEY (zone, kind, value, item)
) {clustered};
CREATE INDEX protection_item ON protection (item, n);
CREATE INDEX protection_expires ON protection (expires);
CREATE INDEX protection_new ON protection (zone, n);
CREATE INDEX protection_hot ON protection (zone, added) WHERE zone = 'hot';

CREATE TABLE zone (
  name    {text} PRIMARY KEY,
  serial  BIGINT NOT NULL,
  entries BIGINT NOT NULL, -- distinct values
  since   BIGINT NOT NULL  -- the journal holds every serial after this one
) {clustered};
CREATE TABLE journal (
  zone   {text} NOT NULL,
  serial BIGINT NOT NULL,
  kind   {text} NOT NULL,
  value  {text} NOT NULL,
  long   {text} NOT NULL,
  adds   BIGINT NOT NULL,
  PRIMARY KEY (zone, serial, kind, value)
) {clustered};

CREATE TABLE account (
  name     {text} PRIMARY KEY,
  role     {text} NOT NULL,
  password {text} NOT NULL,
  locale   {text} NOT NULL,
  disabled BIGINT NOT NULL,
  created  BIGINT NOT NULL
);
CREATE TABLE session (
  sum     {bytes} PRIMARY KEY,
  account {text} NOT NULL,
  ticket  BIGINT NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL
);
CREATE INDEX session_account ON session (account);
CREATE TABLE token (
  sum     {bytes} PRIMARY KEY,
  name    {text} NOT NULL,
  role    {text} NOT NULL,
  party   {text} NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  used    BIGINT NOT NULL,
  revoked BIGINT NOT NULL
);
CREATE TABLE audit (
  n      {rowid},
  at     BIGINT NOT NULL,
  who    {text} NOT NULL,
  what   {text} NOT NULL,
  object {text} NOT NULL,
  detail {text} NOT NULL
);
CREATE TABLE refusal (
  n      {rowid},
  at     BIGINT NOT NULL,
  source {text} NOT NULL,
  what   {text} NOT NULL,
  why    {text} NOT NULL
);
