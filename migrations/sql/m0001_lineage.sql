-- Lineage and the index of objects. Everything here can be rebuilt from packs and documents.
PRAGMA application_id = 0x5374656d;

-- Sequence numbers: the only order in time. A number is handed out once, used or not.
CREATE TABLE counter (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  next INTEGER NOT NULL CHECK (next > 0)
) STRICT;
INSERT INTO counter (id, next) VALUES (1, 1);

CREATE TABLE packs (
  id INTEGER PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 32),
  bytes INTEGER NOT NULL CHECK (bytes >= 0)
) STRICT;

-- One row per distinct object. The base of a delta cannot go while the delta stays.
CREATE TABLE objects (
  digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
  pack INTEGER NOT NULL REFERENCES packs (id),
  offset INTEGER NOT NULL CHECK (offset >= 0),
  length INTEGER NOT NULL CHECK (length >= 0),
  raw_bytes INTEGER NOT NULL CHECK (raw_bytes >= 0),
  base BLOB NULL REFERENCES objects (digest) DEFERRABLE INITIALLY DEFERRED CHECK (base <> digest),
  depth INTEGER NOT NULL CHECK (depth >= 0 AND (depth > 0) = (base IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX objects_by_base ON objects (base) WHERE base IS NOT NULL;
CREATE INDEX objects_by_pack ON objects (pack, offset);

CREATE TABLE models (
  id BLOB PRIMARY KEY CHECK (length(id) = 32),
  weights_id BLOB NOT NULL CHECK (length(weights_id) = 32),
  state TEXT NOT NULL CHECK (state IN ('stored', 'virtual', 'absent')),
  tensors INTEGER NOT NULL CHECK (tensors >= 0),
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  sequence INTEGER NOT NULL
) STRICT;
CREATE INDEX models_by_weights ON models (weights_id);
CREATE INDEX models_by_sequence ON models (sequence);

-- Sampled elements by which the nearest base is found. Apart, so that a list of models does not read them.
CREATE TABLE sketches (
  model BLOB PRIMARY KEY REFERENCES models (id) ON DELETE CASCADE,
  sketch BLOB NOT NULL
) STRICT;

CREATE TABLE derivations (
  digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
  model BLOB NOT NULL REFERENCES models (id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  made_at TEXT NOT NULL,
  made_by TEXT NOT NULL,
  tool TEXT NOT NULL,
  recipe BLOB NULL CHECK (length(recipe) = 32),
  sequence INTEGER NOT NULL UNIQUE
) STRICT;
CREATE INDEX derivations_by_model ON derivations (model);

-- A parent is a model id but no foreign key: a parent may be gone, or never have been here.
CREATE TABLE parents (
  derivation BLOB NOT NULL REFERENCES derivations (digest) ON DELETE CASCADE,
  position INTEGER NOT NULL CHECK (position >= 0),
  role TEXT NOT NULL,
  parent BLOB NOT NULL CHECK (length(parent) = 32),
  coefficient REAL NULL,
  claimed INTEGER NOT NULL CHECK (claimed IN (0, 1)),
  PRIMARY KEY (derivation, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX parents_by_parent ON parents (parent);

-- The history of names. A null model takes the name away.
CREATE TABLE name_events (
  sequence INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  model BLOB NULL CHECK (length(model) = 32),
  made_at TEXT NOT NULL,
  made_by TEXT NOT NULL,
  document BLOB NOT NULL UNIQUE CHECK (length(document) = 32)
) STRICT;
CREATE INDEX name_events_by_name ON name_events (name COLLATE NOCASE, sequence);

-- What each name means now. Names that differ only by case are one name.
CREATE TABLE names (
  name TEXT PRIMARY KEY COLLATE NOCASE,
  model BLOB NOT NULL REFERENCES models (id),
  sequence INTEGER NOT NULL
) STRICT;
CREATE INDEX names_by_model ON names (model);
