import Checkpoints
import Glibc
import Tensors

/// A stretch of bytes of one tensor, at one place in each of the model's buffers.
struct Stretch {
  let dtype: DType
  let start: Int
  let count: Int

  var width: Int { dtype.codingWidth }

  /// Cut into stretches of so many bytes.
  func cut(_ bytes: Int) -> [Stretch] {
    stride(from: 0, to: count, by: bytes).map {
      Stretch(dtype: dtype, start: start + $0, count: min(bytes, count - $0))
    }
  }
}

/// The tensors of a model, and those of its base with the same name, dtype and shape, side by side in memory. Lives as
/// long as the process.
struct Material: @unchecked Sendable {
  let tensors: [Stretch]
  let tune: UnsafeRawBufferPointer
  /// Nil without a base.
  let base: UnsafeRawBufferPointer?
  /// What is decoded goes here.
  let out: UnsafeMutableRawBufferPointer
  /// Bytes of the model's tensors that its base does not have.
  let leftOut: Int

  /// - Throws: what is wrong with a folder, or `Problem`.
  init(tune folder: String, base baseFolder: String?) throws {
    let records = try Self.records(of: folder)
    let others = try baseFolder.map { try Self.records(of: $0) }
    let places = others.map { Dictionary($0.map { ($0.record.name, $0) }) { first, _ in first } }
    var (stretches, reads, baseReads, end, leftOut) = ([Stretch](), [Read](), [Read](), 0, 0)
    for (path, offset, record) in records where record.byteCount > 0 {
      if let places {
        guard let other = places[record.name], other.record.outline == record.outline else {
          leftOut += record.byteCount
          continue
        }
        baseReads.append(Read(path: other.path, offset: other.offset, at: end, count: record.byteCount))
      }
      reads.append(Read(path: path, offset: offset, at: end, count: record.byteCount))
      stretches.append(Stretch(dtype: record.dtype, start: end, count: record.byteCount))
      end += (record.byteCount + 63) & ~63
    }
    guard end > 0 else { throw Problem("\(folder): no tensors to measure") }
    tensors = stretches
    tune = try Self.filled(end, reads)
    base = try others == nil ? nil : Self.filled(end, baseReads)
    out = .allocate(byteCount: end, alignment: 64)
    self.leftOut = leftOut
  }

  /// The bytes of a stretch of the model, of its base, and the place of what is decoded.
  func bytes(of stretch: Stretch) -> UnsafeRawBufferPointer { .init(rebasing: tune[stretch.range]) }
  func base(of stretch: Stretch) -> UnsafeRawBufferPointer? {
    base.map { .init(rebasing: $0[stretch.range]) }
  }
  func place(of stretch: Stretch) -> UnsafeMutableRawBufferPointer { .init(rebasing: out[stretch.range]) }

  private struct Read {
    let path: String
    let offset: Int
    let at: Int
    let count: Int
  }

  private static func records(of folder: String) throws -> [(path: String, offset: Int, record: TensorRecord)] {
    try CheckpointFolder.scan(folder).files.flatMap { file in
      let path = "\(folder)/\(file.path)"
      return file.header.map { header in header.tensors.map { (path, header.dataStart + $0.begin, $0) } } ?? []
    }
  }

  private static func filled(_ count: Int, _ reads: [Read]) throws -> UnsafeRawBufferPointer {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
    memset(buffer.baseAddress!, 0, count)
    for read in reads {
      let file = open(read.path, O_RDONLY | O_CLOEXEC)
      guard file >= 0 else { throw Problem("\(read.path): cannot be opened") }
      defer { close(file) }
      var done = 0
      while done < read.count {
        let got = pread(file, buffer.baseAddress! + read.at + done, read.count - done, off_t(read.offset + done))
        guard got > 0 else { throw Problem("\(read.path): cannot be read") }
        done += got
      }
    }
    return UnsafeRawBufferPointer(buffer)
  }
}

extension Stretch {
  var range: Range<Int> { start..<start + count }
}

/// Why the bench ends.
struct Problem: Error, CustomStringConvertible {
  let description: String

  init(_ description: String) {
    self.description = description
  }
}
