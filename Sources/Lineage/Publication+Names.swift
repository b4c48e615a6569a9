package import Objects

extension LineageReading {
  /// Throws where a name cannot be given to a model.
  ///
  /// - Parameter replacing: whether the name may leave another model, and whether this decides what two sides named
  ///   otherwise. It may never change its case while in use, but to decide.
  /// - Throws: `.nameConflict`.
  package func requireFree(_ name: String, for model: Digest, replacing: Bool) throws {
    let others = try conflicts(of: name)
    if let other = others.first {
      if replacing { return }
      let holder = try self.name(name) ?? other
      throw LineageError.nameConflict(name: name, existing: holder.name, model: holder.model)
    }
    guard let existing = try self.name(name) else { return }
    if existing.name != name || existing.model != model && !replacing {
      throw LineageError.nameConflict(name: name, existing: existing.name, model: existing.model)
    }
  }
}

extension Publication {
  /// Records the changes of names of an entry on record. Entries come in their order: those that an entry was made upon
  /// before it. Texts that are no names are passed over.
  package func recordNames(of entry: Entry, where isName: (String) -> Bool = { _ in true }) throws {
    for (position, change) in entry.names.enumerated() where isName(change.name) {
      let values: [Connection.Value] = [
        entry.digest.blob, position, entry.sequence, change.name, change.model?.blob,
      ]
      try connection.run(
        "INSERT INTO name_changes (entry, position, sequence, name, model, replaced) VALUES (?, ?, ?, ?, ?, 0)", values)
      for replaced in change.replaces {
        try connection.run(
          "UPDATE name_changes SET replaced = 1 WHERE name = ? COLLATE NOCASE AND entry = ?",
          [change.name, replaced.blob])
      }
      try settle(change.name)
    }
  }

  /// Says what a name means: the greatest of the changes that no other was made upon decides. What the rest of these
  /// named otherwise stays as a conflict.
  private func settle(_ name: String) throws {
    let open = try openChanges(of: name)
    try connection.run("DELETE FROM names WHERE name = ?", [name])
    try connection.run("DELETE FROM name_conflicts WHERE name = ?", [name])
    guard let holder = open.first else { return }
    if let model = holder.model {
      try connection.run(
        "INSERT INTO names (name, model, sequence, entry) VALUES (?, ?, ?, ?)",
        [holder.name, model.blob, holder.sequence, holder.entry.blob])
    }
    var named: Set<Digest?> = [holder.model, nil]
    for other in open.dropFirst() where named.insert(other.model).inserted {
      try connection.run(
        "INSERT INTO name_conflicts (name, entry, model, sequence) VALUES (?, ?, ?, ?)",
        [other.name, other.entry.blob, other.model?.blob, other.sequence])
    }
  }
}
