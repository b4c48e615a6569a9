/// The safetensors files whose tensors are the model: those that a loader would load. All others are kept beside it.
///
/// The one rule for folders and for what is stored:
/// 1. of an adapter, a mask or a subspace its own file; of a data set none;
/// 2. else in the folder itself, of `model`, `diffusion_pytorch_model` and `pytorch_model` the first that is there:
///    `NAME.safetensors`, else the shards that `NAME.safetensors.index.json` lists, else those called
///    `NAME-00001-of-00002.safetensors`;
/// 3. else all files there but adapters, `consolidated…` and variants (`A.fp16.safetensors` beside `A.safetensors`);
///    else `consolidated…`;
/// 4. else, as of a pipeline, what 2 and 3 find in each folder inside.
package struct WeightFiles: Sendable, Equatable {
  /// Sorted by their bytes.
  package let paths: [String]

  /// The names of a loader's files, without their ending, in the order that they are looked for.
  static let stems = ["model", "diffusion_pytorch_model", "pytorch_model"]
  static let ending = ".safetensors"
  static let indexEnding = ".safetensors.index.json"

  /// Finds them by the paths of all files.
  ///
  /// - Parameter listed: the shards of each index that has been read and holds true, by the paths of both.
  package init(among all: [String], listed: [String: [String]] = [:]) {
    let found: [String]
    if let own = Self.ownFiles(all) {
      found = own
    } else {
      let weights = all.filter { $0.hasSuffix(Self.ending) }
      let folders = Dictionary(grouping: weights, by: \.folder)
      func choice(_ folder: String) -> [String] { Self.choice(in: folder, folders[folder] ?? [], listed) }
      let top = choice("")
      let inside = top.isEmpty ? folders.keys.filter { !$0.isEmpty }.flatMap(choice) : top
      found = inside.isEmpty ? weights : inside
    }
    paths = Set(found).sorted { $0.precedes($1) }
  }

  init(_ paths: [String]) { self.paths = Set(paths).sorted { $0.precedes($1) } }

  /// The file of an adapter, mask or subspace, none of a data set; nil for a model.
  static func ownFiles(_ all: [String]) -> [String]? {
    if Adapter.isAdapter(all) { return [Adapter.weightsFile] }
    if Mask.isMask(all) { return [Mask.bitsFile] }
    if Subspace.isSubspace(all) { return [Subspace.basisFile] }
    return DataSet.isDataSet(all) ? [] : nil
  }

  /// True where `config` and `weights` are in the folder itself and no model is that a loader would look for.
  static func areAlone(_ config: String, _ weights: String, _ all: some Sequence<String>) -> Bool {
    let root = all.filter { !$0.contains("/") }
    return root.contains(config) && root.contains(weights) && stem(of: root) == nil
  }

  /// The first of the loaders' names that one of the files of one folder has, or an index.
  static func stem(of paths: [String]) -> String? {
    stems.first { stem in
      let names = [stem + ending, stem + indexEnding]
      let isNamed = paths.contains { path in names.contains(String(path.lastName)) }
      return isNamed || !shards(of: stem, among: paths.filter { $0.hasSuffix(ending) }).isEmpty
    }
  }

  private static func choice(in folder: String, _ paths: [String], _ listed: [String: [String]]) -> [String] {
    for stem in stems {
      let whole = folder.joined(stem + ending)
      if paths.contains(whole) { return [whole] }
      if let shards = listed[folder.joined(stem + indexEnding)] { return shards }
      let shards = shards(of: stem, among: paths)
      if !shards.isEmpty { return shards }
    }
    let rest = paths.filter { $0.lastName != Adapter.weightsFile }
    let others = rest.filter { !$0.lastName.hasPrefix("consolidated") }
    let bases = Set(others.map(Numbered.init).filter(\.rest.isEmpty).map(\.name))
    let chosen = others.filter { !Numbered($0).isVariant(of: bases) }
    return chosen.isEmpty ? rest : chosen
  }

  /// The files of one folder that are numbered under a name: where one of their sets is whole, that alone.
  static func shards(of stem: String, among paths: [String]) -> [String] {
    let numbered = paths.map { (path: $0, Numbered($0)) }.filter {
      $0.1.name == stem && $0.1.count != nil && $0.1.rest.isEmpty
    }
    let whole = Dictionary(grouping: numbered) { $0.1.count ?? 0 }.filter { count, shards in
      count == shards.count && Set(shards.compactMap(\.1.number)) == Set(1...max(1, count))
    }
    return (whole.count == 1 ? whole.first?.value ?? [] : numbered).map(\.path)
  }

  /// All of the set that a file is one of: itself, or all shards of its name and count.
  static func set(of path: String, among paths: [String]) -> [String] {
    let own = Numbered(path)
    guard own.count != nil else { return [path] }
    return paths.filter {
      let other = Numbered($0)
      return $0.folder == path.folder && (other.name, other.count, other.rest) == (own.name, own.count, own.rest)
    }
  }
}

extension WeightFiles {
  /// Remarks on shards that are not there, as the numbers of the others say.
  static func gaps(among paths: [String]) -> [String] {
    struct Numbering: Hashable {
      let folder: String
      let name: String
      let count: Int
      let rest: String
    }
    var found: [Numbering: [(number: Int, path: String)]] = [:]
    for path in paths where path.hasSuffix(ending) {
      let name = Numbered(path)
      guard let number = name.number, let count = name.count else { continue }
      found[Numbering(folder: path.folder, name: name.name, count: count, rest: name.rest), default: []]
        .append((number, path))
    }
    return found.compactMap { numbering, shards -> String? in
      let missing = max(0, numbering.count - Set(shards.map(\.number)).count)
      guard missing > 0, let first = shards.map(\.path).min(by: { $0.precedes($1) }) else { return nil }
      return "\(first) is one of \(numbering.count) shards, of which \(missing) "
        + "\(missing == 1 ? "is" : "are") not here: the download may be incomplete"
    }.sorted()
  }
}

/// The name of a safetensors file, taken apart: `NAME-00001-of-00002REST.safetensors`, REST empty or from a dot on.
private struct Numbered {
  private(set) var name: String
  private(set) var number: Int?
  private(set) var count: Int?
  private(set) var rest = ""

  init(_ path: String) {
    let file = path.lastName
    let whole = file.hasSuffix(WeightFiles.ending) ? file.dropLast(WeightFiles.ending.count) : file
    name = String(whole)
    let parts = whole.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count > 3, parts[parts.count - 2] == "of", let number = Self.digits(parts[parts.count - 3]) else {
      return
    }
    let last = parts[parts.count - 1]
    let dot = last.firstIndex(of: ".") ?? last.endIndex
    guard let count = Self.digits(last[..<dot]) else { return }
    (self.number, self.count) = (number, count)
    rest = String(last[dot...])
    name = parts.dropLast(3).joined(separator: "-")
  }

  private static func digits(_ text: Substring) -> Int? {
    (1...9).contains(text.utf8.count) && text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
  }

  /// True for `A.fp16` and the like where `A` is there.
  func isVariant(of bases: Set<String>) -> Bool {
    if !rest.isEmpty { return bases.contains(name) }
    guard let dot = name.lastIndex(of: ".") else { return false }
    return bases.contains(String(name[..<dot]))
  }
}
