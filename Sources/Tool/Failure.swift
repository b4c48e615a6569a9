import ArgumentParser
import Glibc
import JSON
import ModelStore

/// The end of a command that did not just succeed: help that was asked for, wrong usage, or an error of the store.
struct Failure {
  private enum Ending {
    case text(String)
    case error(RepositoryError)
  }

  private let ending: Ending

  init(_ error: any Error) {
    if let error = error as? RepositoryError {
      ending = .error(error)
    } else if Stemma.exitCode(for: error) == .success {
      ending = .text(Stemma.fullMessage(for: error))
    } else if Stemma.exitCode(for: error) == .validationFailure {
      ending = .error(Self.usage(Stemma.message(for: error)))
    } else {
      ending = .error(RepositoryError(.internal, Self.oneLine(String(describing: error))))
    }
  }

  /// Prints what is to be said and ends the process with the status that stands for it.
  func leave() -> Never {
    switch ending {
    case .text(let text):
      Console.write(text)
      exit(0)
    case .error(let error):
      report(error)
      exit(error.isInterruption ? 130 : error.kind.exitCode)
    }
  }

  private func report(_ error: RepositoryError) {
    if CommandLine.arguments.dropFirst().prefix(while: { $0 != "--" }).contains("--json") {
      Console.complain(String(decoding: error.json.compact, as: UTF8.self))
      return
    }
    Console.complain(Console.emphasised("stemma:") + " " + Self.oneLine(error.message))
    if let hint = error.hint { Console.complain("hint: " + Self.oneLine(hint)) }
  }

  private static func usage(_ message: String) -> RepositoryError {
    let line = message.split(separator: "\n").first.map(String.init) ?? "wrong usage"
    let lowered = line.prefix(1).lowercased() + line.dropFirst()
    let names = Stemma.configuration.subcommands.compactMap { $0.configuration.commandName }
    let given = CommandLine.arguments.dropFirst().first { names.contains($0) }
    let command = given.map { "stemma \($0) --help" } ?? "stemma --help"
    return RepositoryError(
      .invalidInput, lowered.hasSuffix(".") ? String(lowered.dropLast()) : lowered,
      hint: "see \(command)")
  }

  /// Without what a terminal would obey: an error may hold the words of another program.
  private static func oneLine(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline).joined(separator: " ").unicodeScalars.reduce(into: "") { line, scalar in
      if scalar.properties.generalCategory == .control {
        line += "\\u{\(String(scalar.value, radix: 16))}"
      } else {
        line.unicodeScalars.append(scalar)
      }
    }
  }
}
