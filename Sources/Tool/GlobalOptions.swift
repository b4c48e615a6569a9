import ArgumentParser
import Glibc
import JSON
import ModelStore

/// The options that every subcommand takes.
struct GlobalOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The store: a folder that holds .stemma, or the .stemma itself. Else STEMMA_STORE, else upward from here.",
      valueName: "folder"))
  var store: String?

  @Flag(help: "Print one JSON value instead of text; errors too.")
  var json = false

  @Option(help: ArgumentHelp("How many threads to use; all cores, at most 16, if not given.", valueName: "count"))
  var threads: Int?

  @Flag(name: [.short, .long], help: "Print results only: no progress, no remarks.")
  var quiet = false

  func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads: expected a count from 1 to 1024, found \(threads)")
    }
  }

  /// Where the store is: the `.stemma` folder.
  func locate() throws(RepositoryError) -> String {
    try Repository.locate(explicit: store, from: Self.workingDirectory())
  }

  /// Opens the store; Ctrl-C stops it from here on.
  func open() throws(RepositoryError) -> Repository {
    let repository = try Repository(at: locate(), threads: threads)
    Interruption.stops(repository)
    return repository
  }

  /// Prints a result in the form that was asked for.
  func show(_ value: @autoclosure () -> JSONValue, text: () -> String) {
    if json { Console.write(value()) } else { Console.write(text()) }
  }

  /// Says something beside the result, on standard error.
  func remark(_ text: String) {
    if !quiet, !json { Console.complain(text) }
  }

  /// A progress line for this command.
  func progress(_ verb: String) -> Progress {
    Progress(verb, isShown: !quiet && Console.drawsOnTerminal)
  }

  /// The folder in which the command was called.
  static func workingDirectory() throws(RepositoryError) -> String {
    guard let bytes = getcwd(nil, 0) else {
      throw RepositoryError(.io, "the working directory cannot be read: \(String(cString: strerror(errno)))")
    }
    defer { free(bytes) }
    return String(cString: bytes)
  }
}
