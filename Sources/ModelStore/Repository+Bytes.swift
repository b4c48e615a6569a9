import Codecs
import Lineage
import Objects
import Synchronization
import Tensors

extension Repository {
  /// What codecs and what kinds of tensors the bytes of packs are in. Reads the manifests, and the trailers of all
  /// frames: a few thousand bytes each, those of one pack at a time.
  func bytes() throws -> BytesReport {
    let kinds = try objectKinds()
    let tally = Mutex(Tally())
    for pack in try lineage.packs() {
      let rows = try lineage.objects(inPack: pack.id)
      // A pack that evictions or a repack have left without objects may be gone.
      guard !rows.isEmpty else { continue }
      let (file, path) = try packFiles.open(pack.digest)
      try pool.run(rows.count) { ticket, _ in
        let row = rows[ticket]
        let trailer = try Pack.readTrailer(
          in: file, offset: row.offset, length: row.length, object: row.digest, path: path)
        tally.withLock { $0.add(trailer, row.length, kinds[row.digest]) }
      }
    }
    return tally.withLock(\.report)
  }

  /// What each object is for, by the first model that has it. What no manifest names is left out.
  private func objectKinds() throws -> [Digest: TensorKind] {
    let found = Mutex<[Digest: TensorKind]>([:])
    let models = try lineage.models()
    try pool.run(models.count) { ticket, _ in
      let manifest = try manifest(of: models[ticket].model.id)
      let kind = manifest.kind
      let tensors = manifest.storedTensors.map { ($0.digest, TensorKind($0.name, in: kind)) }
      let files = manifest.files.map { ($0.object, TensorKind.file) }
      found.withLock { kinds in
        // Whoever comes first: the answer does not depend on which.
        for (digest, kind) in tensors + files { kinds[digest] = min(kind, kinds[digest] ?? kind) }
      }
    }
    return found.withLock { $0 }
  }
}

extension TensorKind: Comparable {
  static func < (a: TensorKind, b: TensorKind) -> Bool { a.order < b.order }

  private var order: Int { Self.allCases.firstIndex(of: self) ?? 0 }
}

/// Sums over frames.
private struct Tally {
  private var codecs: [UInt8: (blocks: Int, raw: Int, coded: Int)] = [:]
  private var kinds: [TensorKind: (objects: Int, raw: Int, packed: Int)] = [:]

  mutating func add(_ trailer: FrameTrailer, _ length: Int, _ kind: TensorKind?) {
    for (index, block) in trailer.blocks.enumerated() {
      var sum = codecs[block.codec] ?? (0, 0, 0)
      sum = (sum.blocks + 1, sum.raw + trailer.rawRange(ofBlock: index).count, sum.coded + block.length)
      codecs[block.codec] = sum
    }
    let kind = kind ?? (trailer.dtype == 0 ? .file : .other)
    let sum = kinds[kind] ?? (0, 0, 0)
    kinds[kind] = (sum.objects + 1, sum.raw + trailer.rawBytes, sum.packed + length)
  }

  var report: BytesReport {
    let numbers = Set(codecs.keys).union(BlockCodec.allCases.map(\.rawValue)).sorted()
    return BytesReport(
      codecs: numbers.map { number in
        let sum = codecs[number] ?? (0, 0, 0)
        return .init(
          name: BlockCodec(rawValue: number).map { "\($0)" } ?? "\(number)", blocks: sum.blocks, rawBytes: sum.raw,
          codedBytes: sum.coded)
      },
      kinds: TensorKind.allCases.map { kind in
        let sum = kinds[kind] ?? (0, 0, 0)
        return .init(name: kind.rawValue, objects: sum.objects, rawBytes: sum.raw, packedBytes: sum.packed)
      })
  }
}
