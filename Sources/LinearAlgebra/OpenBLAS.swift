internal import Glibc

/// The routines of OpenBLAS that are used here. The library is opened at the first of them: a process that needs none
/// has neither its threads nor its memory. It has one thread: its own would spin against those of other work.
struct OpenBLAS: Sendable {
  typealias Sgemm =
    @convention(c) (
      _ order: Int32, _ transposedA: Int32, _ transposedB: Int32, _ rows: Int32, _ columns: Int32, _ inner: Int32,
      _ alpha: Float, _ a: UnsafePointer<Float>, _ strideA: Int32, _ b: UnsafePointer<Float>, _ strideB: Int32,
      _ beta: Float, _ out: UnsafeMutablePointer<Float>, _ strideOut: Int32
    ) -> Void
  typealias Dgemm =
    @convention(c) (
      _ order: Int32, _ transposedA: Int32, _ transposedB: Int32, _ rows: Int32, _ columns: Int32, _ inner: Int32,
      _ alpha: Double, _ a: UnsafePointer<Double>, _ strideA: Int32, _ b: UnsafePointer<Double>, _ strideB: Int32,
      _ beta: Double, _ out: UnsafeMutablePointer<Double>, _ strideOut: Int32
    ) -> Void
  typealias Syrk =
    @convention(c) (
      _ order: Int32, _ half: Int32, _ transposed: Int32, _ side: Int32, _ inner: Int32, _ alpha: Double,
      _ a: UnsafePointer<Double>, _ strideA: Int32, _ beta: Double, _ out: UnsafeMutablePointer<Double>,
      _ strideOut: Int32
    ) -> Void
  typealias Number = UnsafeMutablePointer<Int32>
  typealias Floats = UnsafeMutablePointer<Float>
  typealias Doubles = UnsafeMutablePointer<Double>
  typealias Letter = UnsafeMutablePointer<CChar>
  /// Of LAPACK: rows, columns, matrix, its stride, factors, work, its size, the outcome.
  typealias Geqrf = @convention(c) (Number, Number, Floats, Number, Floats, Floats, Number, Number) -> Void
  typealias Orgqr = @convention(c) (Number, Number, Number, Floats, Number, Floats, Floats, Number, Number) -> Void
  typealias Gesdd =
    @convention(c) (
      Letter, Number, Number, Floats, Number, Floats, Floats, Number, Floats, Number, Floats, Number, Number, Number
    ) -> Void
  typealias Syevd =
    @convention(c) (
      Letter, Letter, Number, Doubles, Number, Doubles, Doubles, Number, Number, Number, Number
    ) -> Void

  /// CBLAS's numbers for what is row by row, for a matrix as it is and transposed, and for the upper half.
  static let (rowMajor, asItIs, transposed, upper) = (Int32(101), Int32(111), Int32(112), Int32(121))

  let sgemm: Sgemm
  let dgemm: Dgemm
  let dsyrk: Syrk
  let sgeqrf: Geqrf
  let sorgqr: Orgqr
  let sgesdd: Gesdd
  let dsyevd: Syevd

  private static let opened = Result { () throws(LapackFailure) in try OpenBLAS() }

  /// The library, opened once.
  ///
  /// - Throws: `LapackFailure.missing`.
  static func open() throws(LapackFailure) -> OpenBLAS { try opened.get() }

  private init() throws(LapackFailure) {
    // Else it starts its threads as soon as it is opened.
    setenv("OPENBLAS_NUM_THREADS", "1", 1)
    guard let library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL) else {
      throw .missing(reason: dlerror().map { String(cString: $0) } ?? "libopenblas.so.0 cannot be opened")
    }
    func routine<Routine>(_ name: String, _ type: Routine.Type) throws(LapackFailure) -> Routine {
      guard let place = dlsym(library, name) else { throw .missing(reason: "libopenblas.so.0 has no routine \(name)") }
      return unsafeBitCast(place, to: type)
    }
    sgemm = try routine("cblas_sgemm", Sgemm.self)
    dgemm = try routine("cblas_dgemm", Dgemm.self)
    dsyrk = try routine("cblas_dsyrk", Syrk.self)
    sgeqrf = try routine("sgeqrf_", Geqrf.self)
    sorgqr = try routine("sorgqr_", Orgqr.self)
    sgesdd = try routine("sgesdd_", Gesdd.self)
    dsyevd = try routine("dsyevd_", Syevd.self)
  }
}
