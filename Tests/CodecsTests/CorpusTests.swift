import Foundation
import Testing

/// Inputs that the fuzzer found, each of which goes ways through the codecs that no other goes (`tools/fuzz`).
@Suite("what the fuzzer found")
struct CorpusTests {
  private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Corpus")
  private static let names =
    ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).filter { !$0.hasPrefix(".") }.sorted()

  private static func input(_ name: String) throws -> FuzzedBlock {
    let bytes = try Data(contentsOf: folder.appending(path: name))
    return try #require(FuzzedBlock(bytes), "\(name) has no head")
  }

  @Test("is decoded or refused, by every path alike, and blocks come back", arguments: names)
  func holds(name: String) throws {
    #expect(CodecChecks().fault(try Self.input(name)) == nil)
  }

  @Test("is decoded or refused by one coder after another alike")
  func holdsInTurn() throws {
    let checks = CodecChecks()
    for name in Self.names + Self.names.reversed() {
      #expect(checks.fault(try Self.input(name)) == nil, "\(name)")
    }
  }

  @Test("holds coded blocks that are decoded, and such that are refused")
  func variety() throws {
    let checks = CodecChecks()
    var (decoded, refused): (Set<UInt8>, Set<UInt8>) = ([], [])
    for input in try Self.names.map(Self.input) where input.kind == .coded {
      switch checks.outcome(input.payload, input).found {
      case .bytes: decoded.insert(input.codec)
      case .refused: refused.insert(input.codec)
      }
    }
    #expect(decoded.isSuperset(of: [1, 2, 4, 5, 6, FuzzedBlock.nibbles]))
    #expect(refused.isSuperset(of: [1, 2, 4, 5, 6, FuzzedBlock.nibbles]))
  }
}
