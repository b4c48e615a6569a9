import Testing

@testable import Tensors

@Suite("what a process may use") struct MachineTests {
  @Test("there is a core at least, and quotas of cgroups are whole cores, rounded down")
  func cores() {
    #expect(Machine.cores() >= 1)
    #expect(Machine.quota("max 100000") == nil)
    #expect(Machine.quota("250000 100000") == 2)
    #expect(Machine.quota("50000 100000\n") == 1)
    #expect(Machine.quota("-1 100000") == nil)
    #expect(Machine.quota(nil) == nil)
  }

  @Test("memory that is not to be had is refused with both numbers")
  func memory() throws {
    try Machine.requireMemory(1, "for a test")
    #expect(
      "\(NoMemory(purpose: "for a test", needed: 12_345_678, free: 9_876_543))"
        == "13 MB of memory expected for a test, found 9 MB that may be used")
  }
}
