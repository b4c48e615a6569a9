// What libFuzzer calls. What is checked stands in Tests/CodecsTests, where the corpus is read again.
import Glibc

nonisolated(unsafe) private let checks = CodecChecks()

/// One input: traps where something does not hold.
@c(LLVMFuzzerTestOneInput)
func testOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  guard let input = FuzzedBlock(UnsafeBufferPointer(start: start, count: count)) else { return -1 }
  if let fault = checks.fault(input) { preconditionFailure(String(fault.prefix(2000))) }
  return 0
}

/// Before the first: with STEMMA_SEEDS, writes the seeds into that folder and ends.
@c(LLVMFuzzerInitialize)
func initialize(
  _ count: UnsafeMutablePointer<CInt>?, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
) -> CInt {
  guard let folder = getenv("STEMMA_SEEDS") else { return 0 }
  for (number, seed) in Seeds(checks).all().enumerated() {
    guard let file = fopen("\(String(cString: folder))/seed-\(number)", "wb") else { exit(1) }
    fwrite(seed, 1, seed.count, file)
    fclose(file)
  }
  exit(0)
}
