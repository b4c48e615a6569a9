/// The element type of a tensor, by its safetensors name.
///
/// Covers every dtype of the safetensors format (0.8), sub-byte types included. `code` is what frames store on disk and
/// never changes meaning.
package enum DType: String, CaseIterable, Sendable, Hashable {
  case bool = "BOOL"
  case f4 = "F4"
  case f6e2m3 = "F6_E2M3"
  case f6e3m2 = "F6_E3M2"
  case u8 = "U8"
  case i8 = "I8"
  case f8e5m2 = "F8_E5M2"
  case f8e4m3 = "F8_E4M3"
  case f8e8m0 = "F8_E8M0"
  case f8e4m3fnuz = "F8_E4M3FNUZ"
  case f8e5m2fnuz = "F8_E5M2FNUZ"
  case i16 = "I16"
  case u16 = "U16"
  case f16 = "F16"
  case bf16 = "BF16"
  case i32 = "I32"
  case u32 = "U32"
  case f32 = "F32"
  case c64 = "C64"
  case f64 = "F64"
  case i64 = "I64"
  case u64 = "U64"

  /// Bits of one element: 4, 6, 8, 16, 32 or 64.
  package var bits: Int {
    switch self {
    case .f4: 4
    case .f6e2m3, .f6e3m2: 6
    case .bool, .u8, .i8, .f8e5m2, .f8e4m3, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz: 8
    case .i16, .u16, .f16, .bf16: 16
    case .i32, .u32, .f32: 32
    case .c64, .f64, .i64, .u64: 64
    }
  }

  /// The number that stands for this dtype in a frame: 1 … 22, in the order of declaration. 0 means "no dtype".
  package var code: UInt8 {
    UInt8(Self.allCases.firstIndex(of: self)! + 1)
  }

  /// The dtype with this on-disk number, if there is one.
  package init?(code: UInt8) {
    guard code >= 1, code <= Self.allCases.count else { return nil }
    self = Self.allCases[Int(code) - 1]
  }

  /// True for the types that merge arithmetic can widen to f32 or f64: F16, BF16, F32, F64.
  package var isMergeable: Bool {
    self == .f16 || self == .bf16 || self == .f32 || self == .f64
  }

  /// Bytes of the unit that block codecs work on: 1, 2, 4 or 8. Sub-byte types are coded as bytes, C64 as its two F32.
  package var codingWidth: Int {
    self == .c64 ? 4 : max(1, bits / 8)
  }

  /// Bits of the mantissa where the units of `codingWidth` bytes are sign-magnitude floating-point numbers, else 0.
  package var codingMantissa: Int {
    switch self {
    case .f8e5m2: 2
    case .f8e4m3: 3
    case .bf16: 7
    case .f16: 10
    case .f32, .c64: 23
    case .f64: 52
    default: 0
    }
  }
}
