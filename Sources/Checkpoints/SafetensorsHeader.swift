internal import JSON

/// The header of a safetensors file, checked: the tensors tile the file's data without hole or overlap.
package struct SafetensorsHeader: Sendable, Equatable {
  /// The longest header that is read, as in the official library.
  package static let maxLength = 100_000_000

  /// The JSON text as in the file, padding included, without the eight bytes of its length.
  package let headerBytes: [UInt8]
  /// In the order of their data; those at one place in the order of the header.
  package let tensors: [TensorRecord]
  /// `__metadata__` in the order of the header; nil where there is none.
  package let metadata: [(key: String, value: String)]?
  /// Bytes of the whole file.
  package let fileSize: Int

  /// Where the data starts in the file.
  package var dataStart: Int { 8 + headerBytes.count }

  package static func == (left: Self, right: Self) -> Bool {
    left.fileSize == right.fileSize && left.headerBytes == right.headerBytes
  }

  /// Reads a header as strictly as the official library, and refuses duplicate and unknown keys besides. Tensors may be
  /// named in another order than their data has.
  ///
  /// - Parameters:
  ///   - headerBytes: the JSON text, without the eight bytes of its length.
  ///   - fileSize: bytes of the whole file.
  ///   - path: names the file in errors.
  /// - Throws: `CheckpointError.header`.
  package init(parsing headerBytes: [UInt8], fileSize: Int, path: String) throws(CheckpointError) {
    do throws(HeaderRefusal) {
      guard headerBytes.count <= Self.maxLength else {
        throw HeaderRefusal(.lengthOverLimit(length: UInt64(headerBytes.count), limit: Self.maxLength))
      }
      guard fileSize >= 8 + headerBytes.count else {
        throw HeaderRefusal(.lengthBeyondFile(length: headerBytes.count, fileSize: fileSize))
      }
      guard headerBytes.first == UInt8(ascii: "{") else { throw HeaderRefusal(.noBrace(found: headerBytes.first)) }
      let reading = try HeaderReading(headerBytes)
      tensors = try reading.tiled(dataSize: fileSize - 8 - headerBytes.count)
      metadata = reading.metadata
    } catch {
      throw .header(path: path, error.fault)
    }
    self.headerBytes = headerBytes
    self.fileSize = fileSize
  }

  /// Reads the header of the file at `path`, and nothing of its data.
  ///
  /// - Throws: `CheckpointError.header` for a header that is not valid, `.cannotRead` where the disk fails.
  package static func read(_ path: String) throws(CheckpointError) -> SafetensorsHeader {
    let file = try ReadFile(path)
    let size = file.stamp.size
    guard size >= 8 else { throw .header(path: path, .fileTooShort(size: size)) }
    let prefix = try file.bytes(at: 0, count: 8)
    let length = prefix.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    guard length <= UInt64(maxLength) else {
      let isPointer = prefix.elementsEqual("version ".utf8)
      throw .header(path: path, isPointer ? .gitLFSPointer : .lengthOverLimit(length: length, limit: maxLength))
    }
    guard Int(length) <= size - 8 else {
      throw .header(path: path, .lengthBeyondFile(length: Int(length), fileSize: size))
    }
    return try SafetensorsHeader(parsing: try file.bytes(at: 8, count: Int(length)), fileSize: size, path: path)
  }
}

/// A fault on its way to the path it belongs to.
struct HeaderRefusal: Error {
  let fault: CheckpointError.HeaderFault

  init(_ fault: CheckpointError.HeaderFault) {
    self.fault = fault
  }
}
