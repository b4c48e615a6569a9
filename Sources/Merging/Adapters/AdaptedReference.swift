/// A model as recipes name it: `base`, or `base+adapter` for a base with an adapter applied.
package struct AdaptedReference: Sendable, Hashable {
  package let base: String
  package let adapter: String?

  /// The base, and then the adapter where there is one.
  package var parts: [String] { [base] + (adapter.map { [$0] } ?? []) }

  /// Splits at the `+`; nil where there is more than one, or nothing on a side of it. As in mergekit, no name or path
  /// has one in itself.
  package init?(_ text: String) {
    let halves = text.split(separator: "+", omittingEmptySubsequences: false).map(String.init)
    guard halves.count <= 2, !halves.contains("") else { return nil }
    base = halves[0]
    adapter = halves.count == 2 ? halves[1] : nil
  }
}
