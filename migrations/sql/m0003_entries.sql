-- The history as entries. What stands here can be rebuilt from entries, documents and packs. Nothing is carried over but
-- packs and objects: a store of format 1 is taken over by `rebuild`, which reads everything again.
DROP TABLE names;
DROP TABLE name_events;
DROP TABLE allowances;
DROP TABLE withdrawals;
DROP TABLE advisories;
DROP TABLE metrics;
DROP TABLE evaluations;
DROP TABLE parents;
DROP TABLE derivations;
DROP TABLE sketches;
DROP TABLE models;
DROP TABLE weights;
DROP TABLE counter;

-- One row an event. The order of all is (sequence, digest).
CREATE TABLE entries (
  digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
  sequence INTEGER NOT NULL CHECK (sequence > 0),
  kind TEXT NOT NULL,
  store TEXT NOT NULL CHECK (length(store) = 32),
  document BLOB NULL CHECK (length(document) = 32),
  made_at TEXT NOT NULL,
  made_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX entries_by_sequence ON entries (sequence, digest);

-- The entries that no other was made upon.
CREATE TABLE heads (
  entry BLOB PRIMARY KEY REFERENCES entries (digest)
) STRICT, WITHOUT ROWID;

-- Small numbers for weights ids: with them a hundred thousand edges are walked in milliseconds.
CREATE TABLE weights (
  number INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE CHECK (length(id) = 32)
) STRICT;

-- `sequence` and `derivation` are those of the first derivation on record.
CREATE TABLE models (
  id BLOB PRIMARY KEY CHECK (length(id) = 32),
  weights_id BLOB NOT NULL CHECK (length(weights_id) = 32),
  state TEXT NOT NULL CHECK (state IN ('stored', 'virtual', 'absent')),
  tensors INTEGER NOT NULL CHECK (tensors >= 0),
  bytes INTEGER NOT NULL CHECK (bytes >= 0),
  sequence INTEGER NOT NULL,
  derivation BLOB NOT NULL CHECK (length(derivation) = 32)
) STRICT;
CREATE INDEX models_by_weights ON models (weights_id);
CREATE INDEX models_by_sequence ON models (sequence);

-- Sampled elements by which the nearest base is found. Apart, so that a list of models does not read them.
CREATE TABLE sketches (
  model BLOB PRIMARY KEY REFERENCES models (id) ON DELETE CASCADE,
  sketch BLOB NOT NULL
) STRICT;

-- `sequence` is that of the entry.
CREATE TABLE derivations (
  digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
  model BLOB NOT NULL REFERENCES models (id) ON DELETE CASCADE,
  kind TEXT NOT NULL,
  made_at TEXT NOT NULL,
  made_by TEXT NOT NULL,
  tool TEXT NOT NULL,
  recipe BLOB NULL CHECK (length(recipe) = 32),
  sequence INTEGER NOT NULL,
  entry BLOB NOT NULL REFERENCES entries (digest)
) STRICT;
CREATE INDEX derivations_by_model ON derivations (model);

-- A parent is a model id but no foreign key: a parent may be gone, or never have been here. `share` is how much of what
-- was made comes from it (null is one part of as many as there are parents); `above` and `below` are the numbers of the
-- weights of the parent (null while its model is not on record) and of the model that was made.
CREATE TABLE parents (
  derivation BLOB NOT NULL REFERENCES derivations (digest) ON DELETE CASCADE,
  position INTEGER NOT NULL CHECK (position >= 0),
  role TEXT NOT NULL,
  parent BLOB NOT NULL CHECK (length(parent) = 32),
  coefficient REAL NULL,
  claimed INTEGER NOT NULL CHECK (claimed IN (0, 1)),
  share REAL NULL CHECK (share BETWEEN 0 AND 1),
  inferred INTEGER NOT NULL DEFAULT 0 CHECK (inferred IN (0, 1)),
  above INTEGER NULL,
  below INTEGER NULL,
  PRIMARY KEY (derivation, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX parents_by_parent ON parents (parent);
CREATE INDEX parents_down ON parents (above, below);
CREATE INDEX parents_up ON parents (below, above);

CREATE TRIGGER models_number AFTER INSERT ON models BEGIN
  INSERT INTO weights (id) SELECT new.weights_id WHERE NOT EXISTS (SELECT 1 FROM weights WHERE id = new.weights_id);
  UPDATE parents SET above = (SELECT number FROM weights WHERE id = new.weights_id) WHERE parent = new.id;
END;
CREATE TRIGGER parents_number AFTER INSERT ON parents BEGIN
  UPDATE parents SET
    above = (SELECT w.number FROM models m JOIN weights w ON w.id = m.weights_id WHERE m.id = new.parent),
    below = (
      SELECT w.number FROM derivations d JOIN models m ON m.id = d.model JOIN weights w ON w.id = m.weights_id
      WHERE d.digest = new.derivation)
  WHERE derivation = new.derivation AND position = new.position;
END;

-- The history of names. A null model takes the name away; `replaced` is 1 where a later change was made upon this one.
CREATE TABLE name_changes (
  entry BLOB NOT NULL REFERENCES entries (digest),
  position INTEGER NOT NULL CHECK (position >= 0),
  sequence INTEGER NOT NULL,
  name TEXT NOT NULL,
  model BLOB NULL CHECK (length(model) = 32),
  replaced INTEGER NOT NULL CHECK (replaced IN (0, 1)),
  PRIMARY KEY (entry, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX name_changes_by_name ON name_changes (name COLLATE NOCASE, sequence);

-- What each name means now. Names that differ only by case are one name. The model may be missing: a name is kept
-- whatever became of what it named.
CREATE TABLE names (
  name TEXT PRIMARY KEY COLLATE NOCASE,
  model BLOB NOT NULL CHECK (length(model) = 32),
  sequence INTEGER NOT NULL,
  entry BLOB NOT NULL REFERENCES entries (digest)
) STRICT;
CREATE INDEX names_by_model ON names (model);

-- Changes of a name that diverged from the one that holds it, until someone decides.
CREATE TABLE name_conflicts (
  name TEXT NOT NULL COLLATE NOCASE,
  entry BLOB NOT NULL REFERENCES entries (digest),
  model BLOB NOT NULL CHECK (length(model) = 32),
  sequence INTEGER NOT NULL,
  PRIMARY KEY (name, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX name_conflicts_by_model ON name_conflicts (model);

-- What was measured of weights, with the tokenizer and the chat template of one model that has them.
CREATE TABLE evaluations (
  digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
  weights_id BLOB NOT NULL CHECK (length(weights_id) = 32),
  model BLOB NOT NULL CHECK (length(model) = 32),
  tokenizer BLOB NULL CHECK (length(tokenizer) = 32),
  chat_template BLOB NULL CHECK (length(chat_template) = 32),
  made_at TEXT NOT NULL,
  made_by TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  entry BLOB NOT NULL REFERENCES entries (digest),
  store TEXT NOT NULL
) STRICT;
CREATE INDEX evaluations_by_weights ON evaluations (weights_id, sequence);

-- A number for each metric and data set; of rates how many of how many.
CREATE TABLE metrics (
  evaluation BLOB NOT NULL REFERENCES evaluations (digest) ON DELETE CASCADE,
  name TEXT NOT NULL,
  data BLOB NOT NULL CHECK (length(data) = 32),
  value REAL NOT NULL,
  n INTEGER NULL CHECK (n > 0),
  hits INTEGER NULL CHECK (hits IS NULL OR n IS NOT NULL AND hits BETWEEN 0 AND n),
  PRIMARY KEY (evaluation, name, data)
) STRICT, WITHOUT ROWID;

-- Statements about weights that flow to whatever is made from them. The bounds that clear a descendant, one a line.
CREATE TABLE advisories (
  digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
  weights_id BLOB NOT NULL CHECK (length(weights_id) = 32),
  model BLOB NOT NULL CHECK (length(model) = 32),
  kind TEXT NOT NULL,
  reason TEXT NOT NULL,
  cleared_by TEXT NOT NULL,
  made_at TEXT NOT NULL,
  made_by TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  entry BLOB NOT NULL REFERENCES entries (digest),
  store TEXT NOT NULL
) STRICT;
CREATE INDEX advisories_by_weights ON advisories (weights_id);

-- Of one advisory there may be several: stores that went on apart do not know of each other's.
CREATE TABLE withdrawals (
  document BLOB PRIMARY KEY CHECK (length(document) = 32),
  advisory BLOB NOT NULL REFERENCES advisories (digest),
  reason TEXT NULL,
  made_at TEXT NOT NULL,
  made_by TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  entry BLOB NOT NULL REFERENCES entries (digest),
  store TEXT NOT NULL
) STRICT;
CREATE INDEX withdrawals_by_advisory ON withdrawals (advisory);

-- What was done with a flagged model because somebody allowed it, where no other document says so.
CREATE TABLE allowances (
  document BLOB PRIMARY KEY CHECK (length(document) = 32),
  model BLOB NOT NULL CHECK (length(model) = 32),
  sequence INTEGER NOT NULL,
  entry BLOB NOT NULL REFERENCES entries (digest),
  store TEXT NOT NULL
) STRICT;
CREATE INDEX allowances_by_model ON allowances (model);

-- Documents with the SHA-256 of whole files of a model, computed after it was made.
CREATE TABLE file_digests (
  document BLOB PRIMARY KEY CHECK (length(document) = 32),
  model BLOB NOT NULL REFERENCES models (id) ON DELETE CASCADE,
  sequence INTEGER NOT NULL,
  entry BLOB NOT NULL REFERENCES entries (digest)
) STRICT;
CREATE INDEX file_digests_by_model ON file_digests (model, sequence);
