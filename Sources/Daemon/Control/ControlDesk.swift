// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// From a line of the control socket to its answer: words, the verb, the endpoint it is about. No sockets here, so that
// it can be tested without any.

internal import Linux
internal import Reporting

struct ControlDesk: Sendable {
  let program: Program
  /// The process id by which the daemon's user knows it; inside of the sandbox it has another one.
  let process: Int32
  let services: [RunningService]
  let log: DaemonLog
  private let startedNanoseconds = Clock.monotonic

  init(program: Program, process: Int32, services: [RunningService], log: DaemonLog) {
    self.program = program
    self.process = process
    self.services = services
    self.log = log
  }

  var uptimeSeconds: Int64 { (Clock.monotonic - startedNanoseconds) / 1_000_000_000 }

  /// Answers whatever comes; never fails.
  func answer(_ line: String) -> ControlAnswer {
    var wantsJSON = false
    do throws(HumanError) {
      guard line.utf8.count <= ControlServer.longestRequest else {
        throw .failure("the request is longer than \(ControlServer.longestRequest) bytes")
      }
      var words = try ControlDesk.words(of: line)
      if words.last == "json" {
        words.removeLast()
        wantsJSON = true
      }
      guard let verb = words.first else { throw .failure("no verb; ask for 'help'") }
      words.removeFirst()
      if let standard = standardVerbs.first(where: { $0.name == verb }) {
        return try standard.run(ControlRequest(words: words, wantsJSON: wantsJSON))
      }
      return try ask(device: verb, words, wantsJSON: wantsJSON)
    } catch {
      return .error(error, json: wantsJSON)
    }
  }

  /// A verb of a device: where several endpoints have it, its first word says which one is meant.
  private func ask(device verb: String, _ words: [String], wantsJSON: Bool) throws(HumanError) -> ControlAnswer {
    let able = services.filter { $0.served.verbs.contains { $0.name == verb } }
    guard let first = able.first else { throw .failure("there is no verb '\(verb)'; ask for 'help'") }
    var words = words
    let service: RunningService
    let namesAnother = services.contains { $0.name == words.first && $0.name != first.name }
    if able.count == 1, !namesAnother {
      service = first
      // The name may be said all the same: scripts need not know how many there are.
      if words.first == service.name { words.removeFirst() }
    } else {
      guard let name = words.first else { throw .failure("'\(verb)' needs the name of an endpoint; ask for 'list'") }
      service = try find(name)
      words.removeFirst()
    }
    guard let known = service.served.verbs.first(where: { $0.name == verb }) else {
      throw .failure("'\(service.name)' has no verb '\(verb)'; ask for 'help'")
    }
    return try known.run(ControlRequest(words: words, wantsJSON: wantsJSON))
  }

  /// By name, or by the number in `list`.
  func find(_ name: String) throws(HumanError) -> RunningService {
    if let service = services.first(where: { $0.name == name }) { return service }
    guard let number = Int(name), services.indices.contains(number) else {
      throw .failure("there is no endpoint '\(name)'; ask for 'list'")
    }
    return services[number]
  }

  /// Words are separated by spaces; one that has spaces in it stands in double quotes.
  static func words(of line: String) throws(HumanError) -> [String] {
    var words: [String] = []
    var word: String?
    var isQuoted = false
    for character in line {
      if character == "\"" {
        isQuoted.toggle()
        word = word ?? ""
      } else if character.isWhitespace, !isQuoted {
        if let done = word.take() { words.append(done) }
      } else {
        word = (word ?? "") + String(character)
      }
    }
    if isQuoted { throw .failure("a double quote is not closed") }
    if let word { words.append(word) }
    return words
  }
}
