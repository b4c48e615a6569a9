package import JSON
import Objects

/// Whom this store believes.
public struct TrustReport: Sendable {
  /// This store's own id.
  public let own: String
  /// Other stores whose withdrawals, allowances and clearing evaluations count here.
  public let trusted: [String]

  package var json: JSONValue {
    ["store": .string(own), "trusted": .array(trusted.map(JSONValue.string))]
  }
}

extension Repository {
  /// This store's id, and the stores that are trusted here.
  public func trust() throws(RepositoryError) -> TrustReport {
    try door { try report(TrustFile.read(layout)) }
  }

  /// Trusts another store: its withdrawals, allowances and clearing evaluations count here from the next command on.
  /// Its advisories count anyway. Written to `trust.yml`, which is no part of the history. Durable when it returns.
  ///
  /// - Parameter revoking: trusts it no longer.
  public func trust(_ store: String, revoking: Bool = false) throws(RepositoryError) -> TrustReport {
    try door {
      try requireWritable()
      guard let id = StoreID(hex: store) else {
        throw RepositoryError(
          .invalidInput, "\(store): a store id of 32 hex digits expected",
          hint: "'stemma trust' prints the id of a store; verify and advisories name those that are not trusted")
      }
      guard id != history.store else {
        throw RepositoryError(.invalidInput, "\(store) is this store itself, which is always trusted")
      }
      var stores = try TrustFile.read(layout)
      if revoking {
        guard stores.remove(id) != nil else { throw RepositoryError(.notFound, "\(store) is not trusted here") }
      } else {
        stores.insert(id)
      }
      try TrustFile.write(stores, layout, storage)
      return report(stores)
    }
  }

  private func report(_ stores: Set<StoreID>) -> TrustReport {
    TrustReport(own: history.store.hex, trusted: stores.sorted().map(\.hex))
  }
}
