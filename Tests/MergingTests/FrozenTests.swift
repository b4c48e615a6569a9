import Foundation
import Testing

@testable import Merging

@Suite("frozen arithmetic")
struct FrozenTests {
  @Test(
    "a merge has the frozen bits, whatever the number of workers and however tensors are cut",
    arguments: FrozenCase.all)
  func bits(_ frozen: FrozenCase) throws {
    let found = try frozen.digests()
    #expect(Set(found).count == 1, "the cuts differ: \(found)")
    if let known = FrozenDigests.table[frozen.name] {
      #expect(found[0] == known, "the bits of exact-1 never change: what computes others is exact-2")
      return
    }
    if ProcessInfo.processInfo.environment["STEMMA_PRINT_FROZEN"] != nil { print("\(found[0]) \(frozen.name)") }
    Issue.record("'\(frozen.name)' has no frozen digest; with STEMMA_PRINT_FROZEN=1 this test prints new lines")
  }

  @Test("every method, parameter, variant and dtype has cases, and a parameter at more than one value")
  func complete() throws {
    #expect(try FrozenCoverage.all.get().gaps == [])
  }

  @Test("a method or a parameter that no case exercises is noticed", arguments: MergeMethod.inRecipes)
  func noticed(_ method: MergeMethod) throws {
    let all = try FrozenCoverage.all.get()
    for rule in method.parameters {
      let gaps = all.without(rule.name, of: method).gaps
      #expect(gaps.contains("\(method.rawValue), parameter \(rule.name)"))
      #expect(
        gaps.allSatisfy { $0 == method.rawValue || $0.hasPrefix(method.rawValue + ", ") || $0.contains("variant") })
    }
    #expect(try FrozenCoverage([]).gaps.contains(method.rawValue))
  }

  @Test("cases have names of their own, and no frozen digest has lost its case")
  func names() {
    let names = FrozenCase.all.map(\.name)
    #expect(Set(names).count == names.count)
    #expect(Set(FrozenDigests.table.keys).subtracting(names) == [])
    #expect(FrozenDigests.table.count == FrozenDigests.lines.count)
  }

  @Test("two cases have the same bits only where a setting is known to change nothing")
  func different() {
    let equal = Dictionary(grouping: FrozenDigests.table, by: \.value).values.filter { $0.count > 1 }
    #expect(Set(equal.map { Set($0.map(\.key)) }) == FrozenDigests.equal)
  }
}
