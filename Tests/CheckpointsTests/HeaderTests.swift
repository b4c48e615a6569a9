import Checkpoints
import JSON
import Tensors
import Testing

@Suite("safetensors headers")
struct HeaderTests {
  private func parse(_ text: String, dataSize: Int) throws(CheckpointError) -> SafetensorsHeader {
    let bytes = Array(text.utf8)
    return try SafetensorsHeader(parsing: bytes, fileSize: 8 + bytes.count + dataSize, path: "m")
  }

  private func fault(_ text: String, dataSize: Int = 8) -> CheckpointError.HeaderFault? {
    do {
      _ = try parse(text, dataSize: dataSize)
      return nil
    } catch {
      guard case .header("m", let fault) = error else { return nil }
      return fault
    }
  }

  /// A header with one tensor `a`.
  private func entry(_ dtype: String = "F32", shape: String = "[2]", offsets: String = "[0,8]") -> String {
    #"{"a":{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}}"#
  }

  @Test("every dtype is read back from the bytes written for it", arguments: DType.allCases)
  func readsEveryDType(dtype: DType) throws {
    let outlines = [
      TensorOutline(name: "full", dtype: dtype, shape: Shape([4, 2])),
      TensorOutline(name: "empty", dtype: dtype, shape: Shape([3, 0])),
      TensorOutline(name: "last \"é\"\n", dtype: dtype, shape: Shape([8])),
    ]
    let bytes = try SafetensorsHeader.canonicalBytes(tensors: outlines, metadata: [("format", "pt"), ("a", "")])
    #expect(bytes.count.isMultiple(of: 8))
    let size = 8 + bytes.count + 2 * dtype.bits
    let header = try SafetensorsHeader(parsing: bytes, fileSize: size, path: "m")
    #expect(header.tensors.map { TensorOutline(name: $0.name, dtype: $0.dtype, shape: $0.shape) } == outlines)
    #expect(header.tensors.map(\.byteCount) == [dtype.bits, 0, dtype.bits])
    #expect(header.metadata?.map(\.key) == ["format", "a"] && header.metadata?.map(\.value) == ["pt", ""])
    #expect(header.headerBytes == bytes && header.dataStart == 8 + bytes.count && header.fileSize == size)
  }

  @Test("the bytes are those that Python writes")
  func writesAsPython() throws {
    let bytes = try SafetensorsHeader.canonicalBytes(
      tensors: [
        TensorOutline(name: "a", dtype: .bf16, shape: Shape([2, 3])),
        TensorOutline(name: "b", dtype: .u8, shape: Shape([])),
      ], metadata: [("format", "pt")])
    let expected =
      #"{"__metadata__":{"format":"pt"},"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]},"#
      + #""b":{"dtype":"U8","shape":[],"data_offsets":[12,13]}}"#
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text.hasPrefix(expected) && text.dropFirst(expected.count).allSatisfy { $0 == " " })
    #expect(bytes.count == (expected.utf8.count + 7) / 8 * 8)
    #expect(try SafetensorsHeader.canonicalBytes(tensors: []) == Array("{}      ".utf8))
    #expect(SafetensorsHeader.fileStart(Array("{}".utf8)) == [2, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D])
  }

  @Test("the official order is by dtype from the last to the first, then by name")
  func ordersOfficially() {
    let given: [(String, DType)] = [
      ("b", .u8), ("a", .f16), ("é", .i64), ("z", .i64), ("c", .bf16), ("a", .bool), ("B", .u8),
    ]
    let sorted = SafetensorsHeader.officialOrder(
      given.map { TensorOutline(name: $0.0, dtype: $0.1, shape: Shape([1])) })
    #expect(sorted.map(\.name) == ["z", "é", "c", "a", "B", "b", "a"])
    #expect(sorted.map(\.dtype) == [.i64, .i64, .bf16, .f16, .u8, .u8, .bool])
  }

  @Test("a tensor too large to write is refused")
  func refusesToWriteHugeTensors() {
    let huge = TensorOutline(name: "a", dtype: .u8, shape: Shape([.max]))
    #expect(throws: CheckpointError.self) { try SafetensorsHeader.canonicalBytes(tensors: [huge, huge]) }
    let partial = TensorOutline(name: "a", dtype: .f4, shape: Shape([3]))
    #expect(throws: CheckpointError.header(path: "", .partialByte(tensor: "a", dtype: .f4, shape: Shape([3])))) {
      try SafetensorsHeader.canonicalBytes(tensors: [partial])
    }
  }

  @Test("tensors may be named in another order than their data has, and come back in the order of the data")
  func sortsByOffset() throws {
    let text =
      #"{"z":{"dtype":"U8","shape":[3],"data_offsets":[5,8]},"y":{"data_offsets":[5,5],"shape":[0],"dtype":"I64"},"#
      + #""b":{"dtype":"U8","shape":[5],"data_offsets":[0,5]},"x":{"dtype":"F4","shape":[0],"data_offsets":[5,5]}}"#
    #expect(try parse(text, dataSize: 8).tensors.map(\.name) == ["b", "y", "x", "z"])
  }

  @Test("headers without tensors, with scalars, padding and null metadata are read")
  func readsUnusualHeaders() throws {
    #expect(try parse("{}", dataSize: 0).tensors.isEmpty)
    #expect(try parse(#"{"__metadata__":null}   "#, dataSize: 0).metadata == nil)
    #expect(try parse(entry("F64", shape: "[]") + "   ", dataSize: 8).tensors.first?.shape == Shape([]))
  }

  @Test("text that is no JSON object is refused")
  func refusesOtherText() {
    #expect(fault("[]") == .noBrace(found: 0x5B))
    #expect(fault(" {}") == .noBrace(found: 0x20))
    #expect(fault("") == .noBrace(found: nil))
    #expect(fault("{}x") == .notJSON(.trailingBytes(offset: 2, found: "'x'")))
    #expect(fault(#"{"a":{},"a":{}}"#) != nil)
    let twice = #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":1}"#
    #expect(fault(twice) == .notJSON(.duplicateKey(offset: 53, key: "a")))
    let deep = #"{"a":"# + String(repeating: "[", count: 100_000)
    #expect(fault(deep) == .notJSON(.tooDeep(offset: 12, limit: 8)))
    #expect(throws: CheckpointError.header(path: "m", .notJSON(.notUTF8(offset: 1)))) {
      try SafetensorsHeader(parsing: [0x7B, 0x22, 0xFF, 0x22], fileSize: 12, path: "m")
    }
  }

  @Test("entries of another form are refused")
  func refusesOtherEntries() {
    #expect(fault(entry("F31")) == .unknownDType(tensor: "a", found: "F31"))
    #expect(fault(entry("f32")) == .unknownDType(tensor: "a", found: "f32"))
    #expect(fault(#"{"a":1}"#) == .wrongKind(tensor: "a", key: nil, expected: "an object", found: "1"))
    #expect(fault(#"{"a":{"dtype":1}}"#) == .wrongKind(tensor: "a", key: "dtype", expected: "a string", found: "1"))
    #expect(fault(#"{"a":{"shape":[2],"data_offsets":[0,8]}}"#) == .missingKey(tensor: "a", key: "dtype"))
    #expect(fault(#"{"a":{"dtype":"F32","data_offsets":[0,8]}}"#) == .missingKey(tensor: "a", key: "shape"))
    #expect(fault(#"{"a":{"dtype":"F32","shape":[2]}}"#) == .missingKey(tensor: "a", key: "data_offsets"))
    #expect(fault(#"{"a":{"dtype":"F32","strides":[2]}}"#) == .unknownKey(tensor: "a", key: "strides"))
    #expect(fault(#"{"__metadata__":{"k":1}}"#) == .metadataNotText(key: "k", found: "1"))
    #expect(fault(#"{"__metadata__":{"k":[[]]}}"#) == .metadataNotText(key: "k", found: "an array"))
    #expect(fault(#"{"__metadata__":"x"}"#) == .metadataNotText(key: nil, found: "the string 'x'"))
  }

  @Test(
    "numbers that are no sizes are refused",
    arguments: ["-1", "-0", "2.0", "1.5", "1e1", "9223372036854775808", "1e300", "\"2\"", "null", "true", "[2]"])
  func refusesOtherNumbers(number: String) {
    for text in [entry(shape: "[\(number)]"), entry(offsets: "[0,\(number)]"), entry(offsets: "[\(number),8]")] {
      guard case .wrongKind("a", _, "integers from 0 to 9223372036854775807", _) = fault(text) else {
        Issue.record("accepted \(text)")
        continue
      }
    }
  }

  @Test("numbers that JSON does not have are refused", arguments: ["NaN", "Infinity", "1e999", "0x10", "01"])
  func refusesNumbersOutsideJSON(number: String) {
    guard case .notJSON = fault(entry(shape: "[\(number)]")) else {
      Issue.record("accepted \(number)")
      return
    }
  }

  @Test("offsets that do not tile the data are refused")
  func refusesOtherOffsets() {
    func two(_ first: String, _ second: String) -> String {
      #"{"a":{"dtype":"U8","shape":[4],"data_offsets":\#(first)},"#
        + #""b":{"dtype":"U8","shape":[4],"data_offsets":\#(second)}}"#
    }
    #expect(fault(two("[0,4]", "[4,8]")) == nil)
    #expect(fault(two("[0,4]", "[3,7]")) == .overlap(tensor: "b", begin: 3, previousEnd: 4))
    #expect(fault(two("[0,4]", "[0,4]")) == .overlap(tensor: "b", begin: 0, previousEnd: 4))
    #expect(fault(two("[0,4]", "[5,9]"), dataSize: 9) == .hole(tensor: "b", begin: 5, previousEnd: 4))
    #expect(fault(two("[1,5]", "[5,9]"), dataSize: 9) == .hole(tensor: "a", begin: 1, previousEnd: 0))
    #expect(fault(two("[0,4]", "[8,4]")) == .backwardOffsets(tensor: "b", begin: 8, end: 4))
    #expect(fault(two("[0,4]", "[4,8]"), dataSize: 7) == .outOfBounds(tensor: "b", end: 8, dataSize: 7))
    #expect(fault(two("[0,4]", "[4,8]"), dataSize: 9) == .trailingBytes(count: 1))
    #expect(fault("{}", dataSize: 1) == .trailingBytes(count: 1))
    #expect(
      fault(entry(offsets: "[0]"))
        == .wrongKind(tensor: "a", key: "data_offsets", expected: "2 numbers", found: "1 numbers"))
    #expect(
      fault(entry(offsets: "8")) == .wrongKind(tensor: "a", key: "data_offsets", expected: "an array", found: "8"))
  }

  @Test("a size that is not that of shape and dtype is refused")
  func refusesOtherSizes() {
    let shape = Shape([3])
    #expect(
      fault(entry(shape: "[3]")) == .wrongSize(tensor: "a", dtype: .f32, shape: shape, expected: 12, found: 8))
    #expect(fault(entry("F4", shape: "[3]")) == .partialByte(tensor: "a", dtype: .f4, shape: shape))
    #expect(fault(entry("F6_E2M3", shape: "[3]")) == .partialByte(tensor: "a", dtype: .f6e2m3, shape: shape))
    let sides = Shape([4_294_967_296, 4_294_967_296])
    #expect(fault(entry(shape: "\(sides)")) == .tooManyElements(tensor: "a", dtype: .f32, shape: sides))
    let line = Shape([.max])
    #expect(fault(entry("U8", shape: "\(line)")) == .tooManyElements(tensor: "a", dtype: .u8, shape: line))
  }

  @Test("a header of 30,000 tensors is written and read")
  func readsManyTensors() throws {
    let outlines = (0..<30_000).map {
      TensorOutline(
        name: "model.layers.\($0 / 768).mlp.experts.\($0 % 768).up_proj.weight", dtype: .bf16, shape: Shape([2, 4]))
    }
    let bytes = try SafetensorsHeader.canonicalBytes(tensors: outlines)
    let clock = ContinuousClock()
    let start = clock.now
    let header = try SafetensorsHeader(parsing: bytes, fileSize: 8 + bytes.count + 480_000, path: "m")
    #expect(clock.now - start < .seconds(20))
    #expect(header.tensors.count == 30_000 && header.tensors.last?.end == 480_000)
  }

  @Test("messages name the file and the tensor, on one line")
  func describesErrors() {
    let error = CheckpointError.header(path: "m\n", .hole(tensor: "a", begin: 5, previousEnd: 4))
    #expect(
      error.description == #"'m\u{a}': tensor 'a' begins at byte 5: expected 4, as holes are not allowed"#)
    #expect(CheckpointError.header(path: "m", .gitLFSPointer).hint == "fetch the real file with: git lfs pull")
  }
}
