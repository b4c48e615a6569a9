import Foundation
import Lineage
import Objects
import Synchronization
import Tensors

extension Repository {
  /// Removes what nothing needs: unnamed models, their objects, and files that crashes left behind.
  ///
  /// Kept: models with a name; inputs of virtual models that are kept, and theirs; bases of deltas that are kept. Rows
  /// go before the files they named. Needs the store to itself; `conflict` where another process is at work.
  public func collect(dryRun: Bool = false) throws(RepositoryError) -> CollectReport {
    try door {
      try requireWritable()
      return try withExclusiveLock {
        let sweep = try planSweep()
        guard !dryRun else { return sweep.report(dryRun: true) }
        try lineage.publish { publication in
          try publication.deleteObjects(sweep.objects)
          try publication.deletePacks(sweep.packs.map(\.id))
          try publication.deleteModels(sweep.models)
        }
        packFiles.closeAll()
        try unlink(sweep)
        return sweep.report(dryRun: false)
      }
    }
  }

  /// What goes.
  private struct Sweep {
    var models: [Digest] = []
    var objects: [Digest] = []
    var packs: [PackRow] = []
    /// Paths to unlink once the rows are gone.
    var files: [String] = []
    var documents = 0
    var bytes = 0

    func report(dryRun: Bool) -> CollectReport {
      CollectReport(
        dryRun: dryRun, models: models.count, objects: objects.count, packs: packs.count, packsRewritten: 0,
        documents: documents, bytes: bytes)
    }
  }

  private func withExclusiveLock<T>(_ body: () throws -> T) throws -> T {
    lock.withLock { $0 = nil }
    defer {
      let shared = try? StoreLock(path: layout.lock, exclusive: false)
      lock.withLock { $0 = shared }
    }
    guard let exclusive = try StoreLock(path: layout.lock, exclusive: true) else {
      throw RepositoryError(.conflict, "\(layout.root): in use by another process", hint: "try again when it is done")
    }
    return try withExtendedLifetime(exclusive) { try body() }
  }

  private func planSweep() throws -> Sweep {
    var sweep = Sweep()
    let models = try lineage.models()
    let states = Dictionary(models.map { ($0.model.id, $0.model.state) }, uniquingKeysWith: { first, _ in first })
    var live: Set<Digest> = []
    var queue = models.filter { !$0.names.isEmpty }.map(\.model.id)
    while let next = queue.popLast() {
      guard states[next] != nil, live.insert(next).inserted else { continue }
      if states[next] == .virtual {
        for row in try lineage.derivations(of: next) where row.kind == .merge { queue += row.parents.map(\.parent) }
      }
    }
    sweep.models = models.map(\.model.id).filter { !live.contains($0) }
    var kept: Set<Digest> = []
    for model in live { kept.formUnion(try manifest(of: model).objects) }
    var bases: [Digest: Digest] = [:]
    var all: [Digest] = []
    try lineage.forEachObject { row in
      all.append(row.digest)
      bases[row.digest] = row.base
    }
    for object in Array(kept) {
      var next = bases[object]
      while let base = next, kept.insert(base).inserted { next = bases[base] }
    }
    sweep.objects = all.filter { !kept.contains($0) }
    try planFiles(&sweep, kept: kept)
    return sweep
  }

  /// Files that no row will name: whole packs, documents, leftovers in `tmp/`.
  private func planFiles(_ sweep: inout Sweep, kept: Set<Digest>) throws {
    var keptPacks: Set<Digest> = []
    for pack in try lineage.packs() {
      if try lineage.objects(inPack: pack.id).contains(where: { kept.contains($0.digest) }) {
        keptPacks.insert(pack.digest)
      } else {
        sweep.packs.append(pack)
      }
    }
    for shelf in try storage.list(layout.packs) {
      for name in try storage.list("\(layout.packs)/\(shelf)") {
        if let digest = Digest(hex: name.dropLast(5)), keptPacks.contains(digest) { continue }
        try addFile("\(layout.packs)/\(shelf)/\(name)", to: &sweep)
      }
    }
    let gone = Set(sweep.models)
    var documents = try lineage.snapshot { try $0.referencedDocuments() }.subtracting(gone)
    var recipes: [Digest: Bool] = [:]
    for row in try lineage.allDerivations() {
      if gone.contains(row.model) { documents.remove(row.digest) }
      if let recipe = row.recipe { recipes[recipe] = (recipes[recipe] ?? false) || !gone.contains(row.model) }
    }
    for (recipe, isKept) in recipes where !isKept { documents.remove(recipe) }
    for digest in try self.documents.all().digests where !documents.contains(digest) {
      sweep.documents += 1
      try addFile(self.documents.file(of: digest), to: &sweep)
    }
    for name in try storage.list(layout.temporary) { try addFile("\(layout.temporary)/\(name)", to: &sweep) }
  }

  private func addFile(_ path: String, to sweep: inout Sweep) throws {
    // What cannot be opened for its size still goes if it can.
    sweep.files.append(path)
    sweep.bytes += (try? storage.open(path).size()) ?? 0
  }

  private func unlink(_ sweep: Sweep) throws {
    var folders: Set<String> = []
    for path in sweep.files {
      try storage.remove(path)
      folders.insert((path as NSString).deletingLastPathComponent)
    }
    for folder in folders.sorted() { try storage.syncDirectory(folder) }
  }
}
