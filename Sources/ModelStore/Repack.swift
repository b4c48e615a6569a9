import Lineage
import Objects
import Synchronization
import Tensors

/// Codes what is stored anew, with today's codecs and on better bases.
///
/// Models are taken one after another, the oldest first, and of each what none before it had; then what no manifest
/// names. Samples decide which objects are coded anew; these go through the conveyor in batches, and each pack is
/// published on its own, so that a run that was cut off has lost one batch at most.
final class Repack {
  /// Raw bytes after which a batch is written.
  static let batchBytes = 4 * Pack.closingBytes

  /// An object that is looked at, and the tensors that it could be a delta on.
  private struct Work {
    let row: ObjectRow
    var bases: [Manifest.TensorEntry] = []
    /// How many more may come to be put on it, one on the other.
    var future = 0
  }

  private let repository: Repository
  private let kin: Kin
  private let isDry: Bool
  private let batchBytes: Int
  private let progress: ((Int, Int) -> Void)?
  /// Objects that have not been looked at.
  private var waiting: [Digest: ObjectRow] = [:]
  private var chains = BaseChains()
  private var batch: [Recoding] = []
  private var batchRaw = 0
  private var tables: [Digest: [String: Manifest.TensorEntry]] = [:]
  private var doneBytes = 0
  private var totalBytes = 0
  private(set) var report: RepackReport

  init(
    _ repository: Repository, isDry: Bool, batchBytes: Int, progress: ((Int, Int) -> Void)?
  ) throws {
    self.repository = repository
    self.isDry = isDry
    self.batchBytes = batchBytes
    self.progress = progress
    kin = try Kin(repository.lineage)
    var rows: [ObjectRow] = []
    try repository.lineage.forEachObject { rows.append($0) }
    for row in rows {
      waiting[row.digest] = row
      chains.rest(row.digest, on: row.base)
      totalBytes += row.rawBytes
    }
    let frameBytes = rows.reduce(0) { $0 + $1.length }
    report = RepackReport(isDry: isDry, objects: rows.count, bytesBefore: frameBytes, bytesAfter: frameBytes)
  }

  func run() throws {
    for entry in try repository.lineage.models().reversed() {
      try repository.pool.checkInterruption()
      try look(at: try work(of: entry.model.id))
    }
    let rest = waiting.values.sorted { ($0.pack, $0.offset) < ($1.pack, $1.offset) }
    waiting = [:]
    // As many at a time as a model may have.
    for start in stride(from: 0, to: rest.count, by: 512) {
      try look(at: rest[start..<min(rest.count, start + 512)].map { Work(row: $0) })
    }
    try writeBatch()
  }

  /// The objects of a model that no other has had, with their possible bases.
  private func work(of model: Digest) throws -> [Work] {
    let manifest = try repository.manifest(of: model)
    var found: [Work] = []
    for file in manifest.files {
      if let row = waiting.removeValue(forKey: file.object) { found.append(Work(row: row)) }
    }
    var relatives: [[String: Manifest.TensorEntry]]?
    let future = kin.future(of: model, upTo: Repository.depthLimit)
    for tensor in manifest.storedTensors {
      guard let row = waiting.removeValue(forKey: tensor.digest) else { continue }
      let near = try relatives ?? kin.near(model).compactMap(table)
      relatives = near
      let bases = near.compactMap { $0[tensor.name] }.filter { $0.isBase(for: tensor.dtype, tensor.shape) }
      found.append(Work(row: row, bases: bases, future: future))
    }
    return found
  }

  /// A model's tensors by name; nil where it is only known by its id.
  private func table(of model: Digest) throws -> [String: Manifest.TensorEntry]? {
    if let known = tables[model] { return known }
    guard try repository.lineage.model(model) != nil else { return nil }
    if tables.count >= 32 { tables = [:] }
    let table = try repository.tensorsByName(of: model)
    tables[model] = table
    return table
  }

  private func look(at work: [Work]) throws {
    let found = Mutex<[Int: Recoding]>([:])
    try repository.pool.run(work.count) { ticket, _ in
      if let recoding = try trial(work[ticket]) { found.withLock { $0[ticket] = recoding } }
    }
    let recodings = found.withLock { $0 }
    for (index, item) in work.enumerated() {
      // What else was decided meanwhile may have made its chain too long.
      guard let recoding = recodings[index], chains.allows(item.row.digest, on: recoding.base?.digest) else {
        doneBytes += item.row.rawBytes
        continue
      }
      if isDry {
        doneBytes += item.row.rawBytes
        report.count(recoding.known.bytes - recoding.estimate, isMoved: recoding.base?.digest != item.row.base)
      } else {
        batch.append(recoding)
        batchRaw += item.row.rawBytes
      }
      chains.rest(item.row.digest, on: recoding.base?.digest)
    }
    progress?(doneBytes, totalBytes)
    if batchRaw >= batchBytes { try writeBatch() }
  }

  /// What is to be done with an object; nil where nothing is.
  private func trial(_ work: Work) throws -> Recoding? {
    guard let reader = try repository.openObject(work.row.digest) else { return nil }
    let object = work.row.digest
    var bases: [BaseTrial.Candidate] = []
    func add(_ base: DeltaBase?) {
      guard let base, !bases.contains(where: { $0.base.digest == base.digest }) else { return }
      bases.append(
        .init(
          base: base, depth: chains.depth(of: base.digest) + 1, isOpen: chains.allows(object, on: base.digest)))
    }
    add(reader.base)
    if let own = DType(code: reader.trailer.dtype) {
      for tensor in work.bases {
        // Where there is no room on the tensor itself, there is on what lies below it.
        let below = chains.allows(object, on: tensor.digest) ? [] : chains.chain(below: tensor.digest)
        for step in [tensor.digest] + below where step != object && step != reader.base?.digest {
          add(try repository.deltaBase(step, step == tensor.digest ? tensor.dtype : nil, for: own))
        }
      }
    }
    return try BaseTrial(work.row, reader, depth: chains.depth(of: object), future: work.future)
      .best(of: bases, repository.spaces)
  }

  /// Writes the new frames of a batch and publishes those that turned out better.
  private func writeBatch() throws {
    guard !batch.isEmpty else { return }
    try repository.requireSpace(for: batchRaw, stored: batch.reduce(0) { $0 + $1.estimate })
    let (batch, spaces, done) = (batch, repository.spaces, doneBytes)
    let ingest = Ingest(repository: repository, items: batch.map(Ingest.Item.recoding), prefixes: [])
    try ingest.run(packing: true, progress: progress.map { [totalBytes] report in { report(done + $0, totalBytes) } }) {
      piece, buffer, _ in
      guard !buffer.isEmpty else { return }
      try spaces.withWorkspace { try batch[piece.item].reader.read(at: piece.range.lowerBound, into: buffer, $0) }
    }
    let known = Dictionary(batch.map { ($0.row.digest, $0.row) }, uniquingKeysWith: { first, _ in first })
    // What was planned has happened or not.
    for row in known.values { chains.rest(row.digest, on: row.base) }
    for pack in ingest.sealed {
      for entry in try publish(pack, known) {
        guard let row = known[entry.digest] else { continue }
        chains.rest(row.digest, on: entry.base)
        report.count(row.length - entry.length, isMoved: row.base != entry.base)
      }
    }
    doneBytes += batchRaw
    batchRaw = 0
    self.batch = []
  }

  /// Makes the frames of a pack those of their objects, in one transaction; tells which. Others stay garbage: their
  /// objects have changed meanwhile, or something was put on them that leaves no room.
  private func publish(_ pack: Ingest.SealedPack, _ known: [Digest: ObjectRow]) throws -> [Pack.Entry] {
    try repository.lineage.publish { publication in
      let id = try publication.insertPack(pack.digest, bytes: pack.size)
      return try pack.entries.filter { entry in
        guard let row = known[entry.digest] else { return false }
        let object = NewObject(entry, in: id)
        do {
          return try publication.replaceFrame(of: row, by: object, depthLimit: Repository.depthLimit)
        } catch LineageError.depthExceeded, LineageError.cycle, LineageError.missingBase {
          return false
        }
      }
    }
  }
}
