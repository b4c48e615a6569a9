import Lineage
import Objects
import Tensors
import TestSupport
import Testing

@testable import ModelStore

/// The checkpoints of one training run, each a step from the one before, and stores that hold them badly.
enum CheckpointRun {
  /// The start, and so many checkpoints after it: in each step one weight in sixteen moves a little.
  static func models(_ steps: Int, seed: UInt64 = 1) -> [[Stage.Content]] {
    var dice = SplitMix(state: seed)
    var model = Stage.model(seed: seed, rows: 512)
    var run = [model]
    for _ in 0..<steps {
      model = model.map { tensor in
        var bytes = tensor.bytes
        for at in stride(from: 0, to: bytes.count, by: 2) where UInt8.random(in: 0..<16, using: &dice) == 0 {
          // The lower half of the mantissa, so that no step is undone by the next.
          bytes[at] = UInt8.random(in: 0...255, using: &dice)
        }
        return Stage.Content(name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, bytes: bytes)
      }
      run.append(model)
    }
    return run
  }

  /// The start, and so many checkpoints after it: in each step every weight moves by up to three units in the last
  /// place.
  static func drift(_ steps: Int, seed: UInt64 = 1) -> [[Stage.Content]] {
    var dice = SplitMix(state: seed)
    var run = [Stage.model(seed: seed, rows: 512)]
    for step in 0..<steps {
      run.append(
        run[step].map { tensor in
          var bytes = tensor.bytes
          for at in stride(from: 0, to: bytes.count, by: 2) {
            let bits = Int(bytes[at]) | Int(bytes[at + 1] & 0x7F) << 8
            let moved = min(0x7F7F, max(0, bits + Int.random(in: -3...3, using: &dice)))
            bytes[at] = UInt8(moved & 255)
            bytes[at + 1] = bytes[at + 1] & 0x80 | UInt8(moved >> 8)
          }
          return Stage.Content(name: tensor.name, dtype: tensor.dtype, shape: tensor.shape, bytes: bytes)
        })
    }
    return run
  }

  /// A store that holds a run as `c0`, `c1` …, all but the first declared to be made from it.
  static func prepared(_ steps: Int) throws -> Stage {
    let stage = try Stage()
    let store = try stage.open()
    for (step, model) in models(steps).enumerated() {
      _ = try store.importCheckpoint(
        at: try stage.write("c\(step)", model), name: "c\(step)", base: step == 0 ? nil : "c0")
    }
    return stage
  }

  /// Gives every object a frame of raw blocks without a base, as the very first program would have, and collects the
  /// others.
  ///
  /// - Parameter hurt: an object whose new frame has another first byte, with the right checksum.
  static func flatten(_ stage: Stage, hurt: Digest? = nil) throws {
    let store = try stage.open()
    var rows: [ObjectRow] = []
    try store.lineage.forEachObject { rows.append($0) }
    let writer = try PackWriter(storage: store.storage, path: store.temporaryPath(".pack"))
    for row in rows {
      let trailer = try #require(try store.openObject(row.digest)).trailer
      var bytes = try store.readObject(row.digest)
      if row.digest == hurt { bytes[0] ^= 1 }
      try writer.beginFrame()
      for block in trailer.blocks.indices {
        try Array(bytes[trailer.rawRange(ofBlock: block)]).withUnsafeBytes {
          try writer.append($0, codec: 0, checksum: checksum($0))
        }
      }
      try writer.finishFrame(
        dtype: trailer.dtype, width: trailer.width, blockBytes: trailer.blockBytes, rawBytes: trailer.rawBytes,
        digest: row.digest, base: nil)
    }
    let sealed = try writer.seal(into: store.layout.packs)
    let known = Dictionary(rows.map { ($0.digest, $0) }, uniquingKeysWith: { first, _ in first })
    try store.lineage.publish { publication in
      let pack = try publication.insertPack(sealed.digest, bytes: sealed.size)
      for entry in sealed.entries {
        let object = NewObject(
          digest: entry.digest, pack: pack, offset: entry.offset, length: entry.length, rawBytes: entry.rawBytes)
        let row = try #require(known[entry.digest])
        #expect(try publication.replaceFrame(of: row, by: object, depthLimit: Repository.depthLimit))
      }
    }
    _ = try store.collect(olderThan: 0)
    #expect(try store.lineage.counts().deltas == 0)
  }

  /// That every model of a run is as whole as its folder, and the database sound.
  static func expectWhole(_ stage: Stage, _ steps: Int, _ context: Comment? = nil) throws {
    let store = try stage.open()
    #expect(try store.verify(full: true).damage.isEmpty, context)
    #expect(try store.lineage.counts().deepest <= Repository.depthLimit, context)
    for step in 0...steps {
      let out = "\(stage.folder.path)/out-\(UInt64.random(in: 0 ... .max))"
      _ = try store.export("c\(step)", to: out)
      #expect(try Stage.same("\(stage.folder.path)/c\(step)", out), context)
    }
  }
}
