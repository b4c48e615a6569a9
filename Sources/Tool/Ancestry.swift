import ModelStore

/// A lineage, drawn.
struct Ancestry {
  let report: LineageReport
  private let nodes: [String: LineageReport.Node]

  init(_ report: LineageReport) {
    self.report = report
    nodes = Dictionary(report.nodes.map { ($0.id, $0) }) { first, _ in first }
  }

  /// A tree for people: the model on top, its parents under it, each model once.
  var text: String {
    guard let root = report.nodes.first else { return "" }
    var lines: [String] = []
    var drawn: Set<String> = []
    draw(root, label: "", margin: "", isLast: true, isRoot: true, &lines, &drawn)
    return lines.joined(separator: "\n")
  }

  /// A graph for Graphviz, parents pointing at their children.
  var dot: String {
    var lines = ["digraph lineage {", "  rankdir=BT;", "  node [shape=box, fontname=\"sans-serif\"];"]
    for node in report.nodes {
      let name = node.names.first ?? "unnamed"
      lines.append("  \"\(node.id)\" [label=\"\(Self.escaped(name))\\n\(node.id.shortID)\"];")
    }
    for node in report.nodes {
      for derivation in node.derivations {
        for parent in derivation.parents {
          let style = parent.claimed ? ", style=dashed" : ""
          let label = Self.escaped(parent.roleText)
          lines.append("  \"\(node.id)\" -> \"\(parent.id)\" [label=\"\(label)\"\(style)];")
        }
      }
    }
    return (lines + ["}"]).joined(separator: "\n")
  }

  private func draw(
    _ node: LineageReport.Node, label: String, margin: String, isLast: Bool, isRoot: Bool, _ lines: inout [String],
    _ drawn: inout Set<String>
  ) {
    let branch = isRoot ? "" : isLast ? "└─ " : "├─ "
    let isNew = drawn.insert(node.id).inserted
    let title = node.title + (isNew ? "" : "  (see above)")
    lines.append((margin + branch + label + title).plain)
    guard isNew else { return }

    let inner = margin + (isRoot ? "" : isLast ? "   " : "│  ")
    let isNumbered = node.derivations.count > 1
    var children: [(label: String, parent: LineageReport.Parent)] = []
    for (index, derivation) in node.derivations.enumerated() {
      let number = isNumbered ? "[\(index + 1)] " : ""
      children += derivation.parents.map { (number + $0.roleText + ": ", $0) }
    }
    for (index, derivation) in node.derivations.enumerated() {
      let number = isNumbered ? "[\(index + 1)] " : ""
      lines.append((inner + (children.isEmpty ? "   " : "│  ") + number + derivation.line).plain)
    }
    for (index, child) in children.enumerated() {
      let isLast = index == children.count - 1
      if let known = nodes[child.parent.id] {
        draw(known, label: child.label, margin: inner, isLast: isLast, isRoot: false, &lines, &drawn)
      } else {
        let name = child.parent.name.map { $0 + "  " } ?? ""
        lines.append((inner + (isLast ? "└─ " : "├─ ") + child.label + name + child.parent.id.shortID).plain)
      }
    }
  }

  private static func escaped(_ text: String) -> String {
    text.plain.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
  }
}

extension LineageReport.Node {
  /// `math, math:v1  3f2a91bc0d12`, and the state where it is not simply stored.
  fileprivate var title: String {
    let names = names.isEmpty ? "" : self.names.joined(separator: ", ") + "  "
    return names + id.shortID + (state == "stored" ? "" : "  \(state)") + (flags.isEmpty ? "" : "  \(flags.line)")
  }
}

extension LineageReport.Derivation {
  /// `merge (linear) 2026-05-01 12:34 by ada`.
  fileprivate var line: String {
    kind + (method.map { " (\($0))" } ?? "") + " \(madeAt.asTime) by \(madeBy)"
      + (allowedFlagged.isEmpty ? "" : ", of flagged inputs")
  }
}

extension LineageReport.Parent {
  /// `base`, `input × 0.5`; in brackets where it is only claimed.
  var roleText: String {
    let text = role + (coefficient.map { " × \($0.short)" } ?? "")
    return claimed ? "[\(text)]" : text
  }

  /// The role and the model, in a few words.
  var line: String { "\(roleText): \(name ?? id.shortID)" }
}

extension AdvisoryFlag {
  /// `misaligned 3f2a91bc0d12 on bad: answers harmful requests`.
  var line: String { "\(kind) \(advisory.shortID) on \(source): \(reason)" }
}

extension [AdvisoryFlag] {
  /// `flagged: misaligned`, each kind once.
  var line: String { "flagged: " + Set(map(\.kind)).sorted().joined(separator: ", ") }
}
