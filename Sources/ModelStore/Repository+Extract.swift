import Checkpoints
import Foundation
import JSON
import LinearAlgebra
import Objects
import Tensors

extension Repository {
  /// Makes an adapter of the difference between a fine-tuned model and its base, in PEFT's files.
  ///
  /// Of every two-dimensional weight that changed, the best factors of at most `rank` are looked for (`LowRankFit`);
  /// all else that changed is saved whole. The factors are found, so they may differ from machine to machine, and are
  /// stored. On a throw nothing is left behind. Memory: one matrix in f32 (two where the rank is near its size) and its
  /// factors.
  ///
  /// - Parameters:
  ///   - out: a new folder for the files; nil for none.
  ///   - name: imports the adapter under this name, linked to both models; nil imports nothing.
  ///   - permission: whether the models may be flagged where files are written, and what holds for the name.
  public func extract(
    _ reference: String, base: String, rank: Int, seed: UInt32 = 0, to out: String?, name: String?,
    madeBy: String? = nil, permission: Permission = Permission(), progress: (@Sendable (Int, Int) -> Void)? = nil
  ) throws(RepositoryError) -> ExtractReport {
    try door {
      if let name {
        try requireWritable()
        try Names.check(name)
      }
      let readers = try [reference, base].map { try ModelReader(try resolve($0), in: self) }
      for (reader, reference) in zip(readers, [reference, base]) { try reader.manifest.kind.require(.model, reference) }
      if let out {
        // What is written is an export of both: their difference.
        for reader in readers {
          let allowed = try pass(reader.model, "to write an adapter made of it", permission)
          try recordExport(reader.model, to: absolute(out), passing: allowed)
        }
      }
      let config = readers[1].manifest.files.first { $0.path == "config.json" && $0.header == nil }
      let extraction = try Extraction(
        of: readers[0].manifest, base: readers[1].manifest, rank: rank, baseName: base,
        config: config.flatMap { try? JSONValue.parse(try readObject($0.object)) })
      let search = LowRankFit.Search(seed: seed)
      let target = out ?? temporaryPath("-adapter")
      var isDone = false
      let output = try OutputFolder(target: target, insideStore: out == nil)
      var lines: [ExtractReport.Line] = []
      do {
        lines = try write(extraction, readers, search, to: output, progress: progress)
        try write(Self.card(reference, base: base, rank: rank, lines), as: "README.md", to: output)
        try write(extraction.draft.config, as: Adapter.configFile, to: output)
        try output.publish()
      } catch {
        output.discard()
        throw error
      }
      var report = ExtractReport(
        path: out.map { _ in output.target }, lines: lines, whole: extraction.whole.map(\.tensor.name),
        equal: extraction.equal, bytes: 0)
      defer { if out == nil || !isDone { try? FileManager.default.removeItem(atPath: output.target) } }
      let source = ImportSource(folder: try CheckpointFolder.scan(output.target))
      report.bytes = source.bytes
      if let name, let adapter = try source.folder.adapter() {
        let link = try link(adapter, to: readers[1].model, path: output.target)
        let record = report.record(rank: rank, search: search)
        report.model = try importAdapter(
          source, link: link, extraction: (record, readers[0].model), name: name, madeBy: madeBy ?? whoami(),
          permission: permission, progress: nil
        ).id
        report.name = name
      }
      isDone = true
      return report
    }
  }

  private func write(_ bytes: [UInt8], as path: String, to output: OutputFolder) throws {
    try output.create(path, size: bytes.count)
    try bytes.withUnsafeBytes { try output.write(path, $0, at: 0) }
  }

  /// Writes `adapter_model.safetensors`, a matrix after the other.
  private func write(
    _ extraction: Extraction, _ readers: [ModelReader], _ search: LowRankFit.Search, to output: OutputFolder,
    progress: (@Sendable (Int, Int) -> Void)?
  ) throws -> [ExtractReport.Line] {
    let path = Adapter.weightsFile
    let outlines = extraction.outlines
    let head = SafetensorsHeader.fileStart(
      try SafetensorsHeader.canonicalBytes(tensors: outlines, metadata: [("format", "pt")]))
    var places: [String: Int] = [:]
    var size = head.count
    for outline in outlines {
      places[outline.name] = size
      size += outline.shape.byteCount(of: outline.dtype) ?? 0
    }
    try output.create(path, size: size)
    try head.withUnsafeBytes { try output.write(path, $0, at: 0) }
    let items = try extraction.whole.map { name, tensor in
      ExportItem(
        file: 0, offset: places[name]!, size: tensor.bytes, digest: tensor.digest, label: tensor.name,
        bytes: try readers[0].open(tensor))
    }
    try stream(items, progress: nil) { item, offset, bytes in
      try output.write(path, bytes, at: item.offset + offset)
    }
    let total = extraction.matrices.reduce(0) { $0 + $1.tuned.bytes }
    var done = 0
    return try extraction.matrices.map { matrix in
      try pool.checkInterruption()
      var change = try wholeChange(
        ChangeReader(matrix.tuned, of: readers[0], minus: matrix.base, of: readers[1]))
      try requireFinite(change, matrix.tuned.name)
      let fit = try LowRankFit(
        of: &change, rows: matrix.rows, columns: matrix.columns, rank: matrix.rank, search: search)
      let names = AdapterDraft.factorNames(of: matrix.module)
      let (a, b) =
        matrix.isTransposed
        ? (Self.transposed(fit.left, rows: matrix.rows), Self.transposed(fit.right, rows: fit.rank))
        : (fit.right, fit.left)
      try a.withUnsafeBytes { try output.write(path, $0, at: places[names.a]!) }
      try b.withUnsafeBytes { try output.write(path, $0, at: places[names.b]!) }
      done += matrix.tuned.bytes
      progress?(done, total)
      return ExtractReport.Line(
        tensor: matrix.tuned.name, shape: matrix.tuned.shape.dimensions, rank: fit.rank, squares: fit.squares,
        residualSquares: fit.residualSquares)
    }
  }

  private static func transposed(_ values: [Float], rows: Int) -> [Float] {
    let columns = values.count / max(1, rows)
    return (0..<values.count).map { values[$0 % rows * columns + $0 / rows] }
  }

  private static func card(_ tuned: String, base: String, rank: Int, _ lines: [ExtractReport.Line]) -> [UInt8] {
    let residual = ExtractReport.Line.residual(of: lines)
    let text = """
      ---
      base_model: '\(base.replacing("'", with: "''"))'
      library_name: peft
      tags:
      - peft
      - lora
      ---

      # Extracted adapter

      A LoRA adapter that Stemma made of the difference between `\(tuned)` and its base `\(base)`.

      Factors of at most rank \(rank) for \(lines.count) weights.
      Relative L2 of what they leave out of the difference: \(residual).

      """
    return Array(text.utf8)
  }
}
