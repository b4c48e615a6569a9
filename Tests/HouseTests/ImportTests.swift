import Testing

/// The floor plan: what each target may import. SwiftPM does not refuse an undeclared import by itself.
private let floorPlan: [String: Set<String>] = [
  "CKernels": [],
  "CZstd": [],
  "JSON": [],
  "Tensors": ["CKernels", "Dispatch", "Synchronization"],
  "LinearAlgebra": ["Tensors"],
  "Tuning": ["Tensors"],
  "Objects": ["JSON", "CKernels", "Crypto", "SystemPackage", "Synchronization"],
  "migrations": [],
  "Checkpoints": ["JSON", "Tensors"],
  "Codecs": ["CKernels", "Tensors", "CZstd"],
  "Merging": ["CKernels", "Tensors", "Yams", "Crypto", "Synchronization"],
  "Lineage": ["Objects", "Migrations", "GRDB", "Foundation"],
  "ModelStore": [
    "JSON", "Tensors", "LinearAlgebra", "Objects", "Checkpoints", "Codecs", "Merging", "Lineage", "Tuning", "Yams",
    "Logging",
    "Crypto", "SystemPackage", "Foundation", "Dispatch", "Synchronization",
  ],
  "Tool": ["ModelStore", "JSON", "ArgumentParser", "Foundation", "Dispatch", "Synchronization"],
  "codec-bench": ["Codecs", "Checkpoints", "Tensors", "JSON", "CZstd", "CRivals"],
  "fuzz-codecs": ["Codecs"],
]

/// The C library is there for every target.
private let everywhere: Set<String> = ["Glibc"]

@Suite("the floor plan")
struct ImportTests {
  @Test("sources are found at all")
  func found() {
    #expect(Package.sources.count > 20)
  }

  @Test("every target stands on the floor plan")
  func targets() {
    let unplanned = Set(Package.sources.map(\.target)).subtracting(floorPlan.keys)
    #expect(unplanned.isEmpty, "not on the floor plan: \(unplanned.sorted())")
  }

  @Test("no target imports what the floor plan does not grant", arguments: floorPlan.keys.sorted())
  func imports(target: String) {
    let granted = (floorPlan[target] ?? []).union(everywhere)
    let files = Package.sources.filter { $0.target == target }
    let refused = places(in: files) { file, number in
      importedModule(file.code[number]).map { !granted.contains($0) } ?? false
    }
    #expect(refused == [])
  }
}

/// The module that a line imports, if it does: `@testable internal import struct Foundation.URL` → `Foundation`.
private func importedModule(_ line: String) -> String? {
  var words = line.split { $0 == " " || $0 == "\t" || $0 == ";" }[...]
  while let first = words.first, first.hasPrefix("@") || accessLevels.contains(first) { words.removeFirst() }
  guard words.first == "import" else { return nil }
  words.removeFirst()
  if let first = words.first, symbolKinds.contains(first) { words.removeFirst() }
  return words.first?.split(separator: ".").first.map(String.init)
}

private let accessLevels: Set<Substring> = ["private", "fileprivate", "internal", "package", "public"]
private let symbolKinds: Set<Substring> = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
