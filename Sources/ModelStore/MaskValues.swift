import Checkpoints
import Foundation
import Glibc
import JSON
import Objects
import Synchronization
import Tensors

/// How the bits of a mask are taken from a file's numbers.
public enum MaskReading: Sendable, Equatable {
  /// They are all 0 or 1.
  case bits
  /// Logits: the bits are those above a number.
  case threshold(Double)
  /// Logits: each bit is 1 with the probability 1 / (1 + exp(-logit)), drawn with this seed.
  case bernoulli(seed: Int)

  var rule: MaskRule {
    switch self {
    case .bits: .given
    case .threshold(let value): .threshold(value)
    case .bernoulli(let seed): .bernoulli(seed: seed, rng: MaskRule.rng)
    }
  }
}

/// Tensors in safetensors files that are numbers or bits, one an element of a mask.
final class MaskValues: Sendable {
  /// A tensor and where it lies.
  struct Place: Sendable {
    let outline: TensorOutline
    let path: String
    let offset: Int
  }

  /// In the order of the files.
  let places: [Place]
  private let stamps: [String: FileStamp]
  private let open = Mutex<[String: LocalFile]>([:])

  /// Takes one safetensors file, or all of a folder.
  init(at path: String) throws {
    var places: [Place] = []
    var stamps: [String: FileStamp] = [:]
    func add(_ file: String, _ header: SafetensorsHeader) throws {
      stamps[file] = try FileStamp(path: file)
      for tensor in header.tensors {
        if let other = places.first(where: { $0.outline.name == tensor.name }) {
          throw CheckpointError.tensorTwice(tensor: tensor.name, first: other.path, second: file)
        }
        places.append(Place(outline: tensor.outline, path: file, offset: header.dataStart + tensor.begin))
      }
    }
    if exists(path), !isFolder(path) {
      try add(path, try SafetensorsHeader.read(path))
    } else {
      for file in try CheckpointFolder.scan(path).weightFiles {
        if let header = file.header { try add(path + "/" + file.path, header) }
      }
    }
    self.places = places
    self.stamps = stamps
  }

  /// Where the bits of the mask's tensors come from.
  func tensors(_ reading: MaskReading) throws -> [MaskDraft.Tensor] {
    try places.map { place in
      let (name, dtype) = (place.outline.name, place.outline.dtype)
      let takesBits = reading == .bits && (dtype == .bool || dtype == .u8)
      guard takesBits || dtype.isMergeable else {
        let forms = (reading == .bits ? "BOOL, U8, " : "logits of ") + "F16, BF16, F32 or F64"
        throw RepositoryError(.invalidInput, "tensor \(name.quoted): \(forms) expected, found \(dtype.rawValue)")
      }
      let draw = MaskDraw(name, seed: reading)
      return MaskDraft.Tensor(name: name, shape: place.outline.shape) { elements, bits, space in
        let width = dtype.bits / 8
        let stored = space.buffer(71, count: elements.count * width)
        try self.read(place, at: elements.lowerBound * width, into: stored)
        if takesBits { return try Self.pack(UnsafeRawBufferPointer(stored), name, into: bits) }
        let values = space.buffer(72, count: elements.count * 8).bindMemory(to: Double.self)
        Double.widen(UnsafeRawBufferPointer(stored), dtype, into: values)
        try Self.pack(UnsafeBufferPointer(values), reading, draw, name, from: elements.lowerBound, space, into: bits)
      }
    }
  }

  /// Throws where a file is no longer what its header was read of.
  func refuseChanges() throws {
    for (path, stamp) in stamps where (try? FileStamp(path: path)) != stamp {
      throw RepositoryError(.conflict, "\(path) changed while it was read", hint: "wait until it is written")
    }
  }

  private static func pack(
    _ bytes: UnsafeRawBufferPointer, _ name: String, into bits: UnsafeMutableRawBufferPointer
  ) throws {
    if let odd = bytes.first(where: { $0 > 1 }) { throw notABit("\(odd)", name) }
    BitMask.pack(bytes.count, into: bits) { bytes[$0] == 1 }
  }

  private static func pack(
    _ values: UnsafeBufferPointer<Double>, _ reading: MaskReading, _ draw: MaskDraw?, _ name: String, from start: Int,
    _ space: Workspace, into bits: UnsafeMutableRawBufferPointer
  ) throws {
    if values.contains(where: \.isNaN) {
      throw RepositoryError(.invalidInput, "tensor \(name.quoted): numbers expected, found NaN")
    }
    switch reading {
    case .bits:
      if let odd = values.first(where: { $0 != 0 && $0 != 1 }) { throw notABit("\(odd)", name) }
      BitMask.pack(values.count, into: bits) { values[$0] == 1 }
    case .threshold(let limit): BitMask.pack(values.count, into: bits) { values[$0] > limit }
    case .bernoulli:
      guard let draw else { return }
      let words = draw.words(values.count, from: start, space)
      BitMask.pack(values.count, into: bits) { index in
        Double(words[index]) / 0x1p32 < 1 / (1 + exp(-values[index]))
      }
    }
  }

  private static func notABit(_ found: String, _ name: String) -> RepositoryError {
    RepositoryError(
      .invalidInput, "tensor \(name.quoted): 0 or 1 expected, found \(found)",
      hint: "for logits say --threshold or --bernoulli")
  }

  private func read(_ place: Place, at start: Int, into buffer: UnsafeMutableRawBufferPointer) throws {
    let file = try open.withLock { files in
      if let file = files[place.path] { return file }
      let file = try LocalFile(place.path, flags: O_RDONLY | O_CLOEXEC, operation: "open")
      files[place.path] = file
      return file
    }
    guard try file.read(into: buffer, at: place.offset + start) == buffer.count else {
      throw RepositoryError(.conflict, "\(place.path) changed while it was read", hint: "wait until it is written")
    }
  }
}

/// The random words of one tensor of a mask: Philox4x32-10 by the index of the element, with the key of seed and name.
struct MaskDraw: Sendable {
  private let philox: Philox

  /// The key is the first eight bytes of the SHA-256 of seed, `mask` and the tensor's name, a line each.
  init(_ tensor: String, seed: Int) {
    philox = Philox(key: Array(Digest(of: Array("\(seed)\nmask\n\(tensor)".utf8)).bytes))
  }

  /// Nil for rules that draw nothing.
  init?(_ tensor: String, seed reading: MaskReading) {
    guard case .bernoulli(let seed) = reading else { return nil }
    self.init(tensor, seed: seed)
  }

  /// The words of a run of elements, in workspace buffer 73.
  func words(_ count: Int, from start: Int, _ space: Workspace) -> UnsafeMutableBufferPointer<UInt32> {
    let words = space.buffer(73, count: count * 4).bindMemory(to: UInt32.self)
    philox.fill(words, from: start)
    return words
  }

  /// Packs bits that are 1 with one probability, to 2⁻³².
  func pack(
    _ elements: Range<Int>, density: Double, _ space: Workspace, into bits: UnsafeMutableRawBufferPointer
  ) {
    let words = words(elements.count, from: elements.lowerBound, space)
    let limit = UInt64((density * 0x1p32).rounded())
    BitMask.pack(elements.count, into: bits) { UInt64(words[$0]) < limit }
  }
}
