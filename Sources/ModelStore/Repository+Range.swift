import Checkpoints
import Foundation
import Objects
import Tensors

/// A run of bytes that a part of a model is made of.
public enum ModelPart: Sendable {
  /// The data of a tensor, row-major and little-endian.
  case tensor(String)
  /// A file, by its path in the model's folder.
  case file(String)

  fileprivate var label: String {
    switch self {
    case .tensor(let name): "tensor \(name)"
    case .file(let path): "file \(path)"
    }
  }
}

extension Repository {
  /// Writes some tensors of a model into a new safetensors file, each proved by digest before the file gets its name.
  ///
  /// Tensors lie in the order in which the official library would lay them. On a throw nothing is left behind.
  public func exportTensors(
    _ reference: String, tensors names: [String], to path: String, permission: Permission = Permission(),
    progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> ExportReport {
    try door {
      let model = try resolve(reference)
      let allowed = try pass(model, "to export it", permission)
      let reader = try ModelReader(model, in: self)
      var chosen: [TensorOutline: Manifest.TensorEntry] = [:]
      for name in names {
        let tensor = try self.tensor(name, of: reader)
        chosen[TensorOutline(name: name, dtype: tensor.dtype, shape: tensor.shape)] = tensor
      }
      let order = SafetensorsHeader.officialOrder(Array(chosen.keys))
      let header = SafetensorsHeader.fileStart(
        try SafetensorsHeader.canonicalBytes(tensors: order, metadata: [("format", "pt")]))
      var offset = header.count
      let items = try order.compactMap { chosen[$0] }.map { tensor in
        defer { offset += tensor.bytes }
        return ExportItem(
          file: 0, offset: offset, size: tensor.bytes, digest: tensor.digest, label: tensor.name,
          bytes: try reader.open(tensor))
      }
      let size = offset
      try recordExport(model, to: absolute(path), passing: allowed)
      let target = try OutputFile.make(path, size: size) { output in
        try header.withUnsafeBytes { try output.write($0, at: 0) }
        try stream(items, progress: progress.map { report in { report($0, size) } }) { item, at, bytes in
          try output.write(bytes, at: item.offset + at)
        }
      }
      return ExportReport(id: reader.model.hex, path: target, files: 1, bytes: size)
    }
  }

  /// Writes bytes of one tensor or file into a new file. Only the blocks that hold them are read or computed, each
  /// checked by its checksum. On a throw nothing is left behind.
  ///
  /// - Parameter end: one past the last byte; nil for all that follow `start`.
  public func exportRange(
    _ reference: String, of part: ModelPart, from start: Int, to end: Int?, at path: String,
    permission: Permission = Permission(), progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> ExportReport {
    try door {
      let range = try passRange(reference, part, start, end, to: absolute(path), permission)
      let target = try OutputFile.make(path, size: range.bytes.count) { output in
        try stream(range, progress: progress) { try output.write($1, at: $0) }
      }
      return ExportReport(id: range.model.hex, path: target, files: 1, bytes: range.bytes.count)
    }
  }

  /// The same, handed to `sink` in order instead of written.
  public func readRange(
    _ reference: String, of part: ModelPart, from start: Int, to end: Int?, permission: Permission = Permission(),
    sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws(RepositoryError) {
    try door {
      let range = try passRange(reference, part, start, end, to: nil, permission)
      try stream(range, progress: nil) { try sink($1) }
    }
  }

  /// The range, once its model may go out.
  private func passRange(
    _ reference: String, _ part: ModelPart, _ start: Int, _ end: Int?, to target: String?, _ permission: Permission
  ) throws -> PartRange {
    let model = try resolve(reference)
    let allowed = try pass(model, "to export it", permission)
    let range = try PartRange(part, start, end, of: try ModelReader(model, in: self), in: self)
    try recordExport(model, to: target, passing: allowed)
    return range
  }

  /// Hands the range's bytes to `sink` in order, with their place in it.
  private func stream(
    _ range: PartRange, progress: (@Sendable (Int, Int) -> Void)?,
    sink: (_ offset: Int, UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let (pieces, segments, wanted) = (range.pieces, range.segments, range.bytes)
    let total = pieces.reduce(0) { $0 + $1.range.count }
    try withoutActuallyEscaping(sink) { sink in
      var work = Conveyor.Work(fill: { [spaces] piece, buffer, _ in
        try spaces.withWorkspace { try segments[piece.item].read(at: piece.range.lowerBound, into: buffer, $0) }
      })
      work.drain = { slots in
        for slot in slots {
          let place = segments[slot.piece.item].place.lowerBound + slot.piece.range.lowerBound
          let inside = wanted.clamped(to: place..<place + slot.bytes.count)
          let bytes = slot.bytes[inside.lowerBound - place..<inside.upperBound - place]
          try sink(inside.lowerBound - wanted.lowerBound, UnsafeRawBufferPointer(rebasing: bytes))
        }
      }
      work.progress = progress.map { report in { report($0, total) } }
      try Conveyor(pool: pool, pieceBytes: Frame.blockBytes).run(pieces, work)
    }
  }

  /// A tensor of a model by its name.
  fileprivate func tensor(_ name: String, of reader: ModelReader) throws -> Manifest.TensorEntry {
    // The model's own first.
    for tensors in [reader.manifest.tensors, reader.manifest.storedTensors] {
      if let tensor = tensors.first(where: { $0.name == name }) { return tensor }
    }
    throw RepositoryError(
      .notFound, "model \(try label(reader.model)) has no tensor \(name)",
      hint: "see its tensors with: stemma show \(try label(reader.model)) --tensors")
  }
}

/// A range of bytes of a tensor or file, and what makes it up.
private struct PartRange {
  /// Neighbouring bytes of the part that come from one place.
  struct Segment {
    enum Source {
      case text([UInt8])
      case tensor(TensorBytes)
    }

    /// In the part.
    let place: Range<Int>
    /// Bytes that are read or computed together: those of an element.
    let unit: Int
    let source: Source

    func read(at start: Int, into buffer: UnsafeMutableRawBufferPointer, _ space: Workspace) throws {
      switch source {
      case .text(let bytes):
        bytes.withUnsafeBytes {
          buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start...].prefix(buffer.count)))
        }
      case .tensor(let bytes): try bytes.read(at: start, into: buffer, space)
      }
    }
  }

  let model: Digest
  let bytes: Range<Int>
  private(set) var segments: [Segment] = []

  init(_ part: ModelPart, _ start: Int, _ end: Int?, of reader: ModelReader, in repository: Repository) throws {
    model = reader.model
    let size: Int
    var file: Manifest.File?
    var tensor: Manifest.TensorEntry?
    switch part {
    case .tensor(let name):
      tensor = try repository.tensor(name, of: reader)
      size = tensor?.bytes ?? 0
    case .file(let path):
      file = reader.manifest.files.first { $0.path == path }
      guard let file else {
        let label = try repository.label(model)
        throw RepositoryError(
          .notFound, "model \(label) has no file \(path)", hint: "see its files with: stemma show \(label)")
      }
      size = file.size
    }
    let end = end ?? size
    guard start >= 0, start <= end, end <= size else {
      throw RepositoryError(
        .invalidInput, "\(part.label): a range within 0:\(size) expected, found \(start):\(end)")
    }
    bytes = start..<end
    if let tensor { try add(tensor, at: 0, of: reader) }
    if let file { try add(file, of: reader, in: repository) }
  }

  private mutating func add(_ file: Manifest.File, of reader: ModelReader, in repository: Repository) throws {
    guard let header = file.header else { return try add(file.object, 0, file.size, file.path, in: repository) }
    let field = SafetensorsHeader.lengthField(header.size)
    segments.append(Segment(place: 0..<field.count, unit: 1, source: .text(field)))
    try add(header.digest, field.count, header.size, "\(file.path): header", in: repository)
    var offset = field.count + header.size
    for tensor in file.tensors {
      // What is not asked for is not even opened.
      if bytes.overlaps(offset..<offset + tensor.bytes) { try add(tensor, at: offset, of: reader) }
      offset += tensor.bytes
    }
    guard offset == file.size else {
      throw RepositoryError(.corrupt, "\(file.path): \(file.size) bytes expected, its tensors make \(offset)")
    }
  }

  private mutating func add(
    _ digest: Digest, _ offset: Int, _ size: Int, _ label: String, in repository: Repository
  ) throws {
    let object = try repository.requireObject(digest, size: size, label)
    segments.append(Segment(place: offset..<offset + size, unit: 1, source: .tensor(.frame(object))))
  }

  private mutating func add(
    _ tensor: Manifest.TensorEntry, at offset: Int, of reader: ModelReader
  ) throws {
    segments.append(
      Segment(
        place: offset..<offset + tensor.bytes, unit: max(1, tensor.dtype.bits / 8),
        source: .tensor(try reader.open(tensor))))
  }

  /// Whole elements that cover the range, cut where blocks of frames are cut.
  var pieces: [Conveyor.Piece] {
    var pieces: [Conveyor.Piece] = []
    for (index, segment) in segments.enumerated() where segment.place.overlaps(bytes) {
      let inside = bytes.clamped(to: segment.place)
      var start = (inside.lowerBound - segment.place.lowerBound) / segment.unit * segment.unit
      let end = (inside.upperBound - segment.place.lowerBound + segment.unit - 1) / segment.unit * segment.unit
      while start < end {
        let next = min(end, (start / Frame.blockBytes + 1) * Frame.blockBytes)
        pieces.append(Conveyor.Piece(file: 0, item: index, range: start..<next, isFirst: false, isLast: false))
        start = next
      }
    }
    return pieces
  }
}
