import Objects
import Tensors

/// Reads one tensor of a model minus the same of another, in f32.
struct ChangeReader {
  private let tensors: [(entry: Manifest.TensorEntry, bytes: TensorBytes)]
  let name: String
  let elements: Int

  /// - Precondition: both are of the same shape and of dtypes that merge arithmetic reads.
  init(_ tuned: Manifest.TensorEntry, of model: ModelReader, minus base: Manifest.TensorEntry, of other: ModelReader)
    throws
  {
    tensors = [(tuned, try model.open(tuned)), (base, try other.open(base))]
    name = tuned.name
    elements = tuned.shape.elementCount ?? 0
  }

  /// `out[i] = f32(tuned − base)`, the difference in f64. Uses workspace buffers 60 to 62.
  func read(_ range: Range<Int>, into out: UnsafeMutablePointer<Float>, _ space: Workspace) throws {
    for (index, (entry, bytes)) in tensors.enumerated() {
      let width = entry.dtype.bits / 8
      let stored = space.buffer(60, count: range.count * width)
      try bytes.read(at: range.lowerBound * width, into: stored, space)
      let wide = space.buffer(61 + index, count: range.count * 8).bindMemory(to: Double.self)
      Double.widen(UnsafeRawBufferPointer(stored), entry.dtype, into: wide)
    }
    let tuned = space.buffer(61, count: range.count * 8).bindMemory(to: Double.self)
    let base = space.buffer(62, count: range.count * 8).bindMemory(to: Double.self)
    for index in 0..<range.count { out[index] = Float(tuned[index] - base[index]) }
  }
}

extension Repository {
  /// A whole difference, read by all workers.
  func wholeChange(_ change: ChangeReader) throws -> [Float] {
    let (count, block) = (change.elements, Frame.blockBytes / 8)
    return try [Float](unsafeUninitializedCapacity: count) { out, initialized in
      let out = UnsafeMutableBufferPointer(rebasing: out[..<count])
      try pool.run((count + block - 1) / block) { ticket, _ in
        let elements = ticket * block..<min(count, (ticket + 1) * block)
        try spaces.withWorkspace {
          try change.read(elements, into: out.baseAddress! + elements.lowerBound, $0)
        }
      }
      initialized = count
    }
  }

  /// Throws where a difference has a NaN or infinity.
  func requireFinite(_ change: [Float], _ name: String) throws {
    guard change.isEmpty || Float.products(change, change, change.count).isFinite else {
      throw RepositoryError(
        .invalidInput, "tensor \(name): finite numbers expected in both models, found NaN or infinity")
    }
  }
}
