// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Asking a daemon of Martlet on its control socket (--control-socket of the daemons): one line there, one answer back,
// the end of the connection ends it. Commands that ask for one particular thing build on this.

internal import ArgumentParser
internal import Linux

/// Which daemon, and how long it may take: options of every command that asks one.
struct ControlOptions: ParsableArguments {
  @Option(
    name: .customLong("control-socket"),
    help: ArgumentHelp("The daemon's control socket: what it was given as --control-socket.", valueName: "path"))
  var controlSocket: String

  @Option(help: ArgumentHelp("How long the daemon may take for its answer.", valueName: "seconds"))
  var timeout = 5

  mutating func validate() throws {
    guard (1...3600).contains(timeout) else {
      throw ValidationError("--timeout needs a number from 1 to 3600, not \(timeout)")
    }
    guard !controlSocket.isEmpty else { throw ValidationError("--control-socket needs a path") }
  }

  /// Asks and returns the answer; a sentence if the daemon said that something is wrong.
  func ask(_ words: [String], json: Bool = false) throws(HumanError) -> [UInt8] {
    for word in words where word.contains(where: { $0.isNewline || $0 == "\"" }) {
      throw .usage("a word for the daemon cannot have a double quote or a line break in it")
    }
    let line = (words + (json ? ["json"] : [])).map { $0.isEmpty || $0.contains(" ") ? "\"\($0)\"" : $0 }
    let answer: [UInt8]
    do throws(Errno) {
      answer = try exchange(line.joined(separator: " ") + "\n")
    } catch {
      throw .failure(sentence(error))
    }
    guard !answer.isEmpty else {
      throw .failure(
        "the daemon at '\(controlSocket)' gave no answer; mend --control-socket if it is another program's")
    }
    let mark = Array("error: ".utf8)
    if answer.starts(with: mark) {
      throw .failure(String(decoding: answer.dropFirst(mark.count), as: UTF8.self).trimmed)
    }
    if json, answer.starts(with: Array("{\n  \"error\":".utf8)) {
      // For a program that reads it.
      try show(answer)
      CurrentProcess.exit(ExitCode.failure)
    }
    return answer
  }

  /// Prints it to standard output.
  func show(_ answer: [UInt8]) throws(HumanError) {
    do throws(Errno) {
      var start = 0
      while start < answer.count { start += try File(raw: 1).write(answer, from: start) }
    } catch {
      throw .failure("cannot write to standard output (\(error.message))")
    }
  }

  private func exchange(_ line: String) throws(Errno) -> [UInt8] {
    let deadline = Clock.monotonic + Int64(timeout) * 1_000_000_000
    let socket = try UnixSocket.connect(to: controlSocket, withinMilliseconds: Int64(timeout) * 1000)
    try socket.send(Array(line.utf8))
    var answer: [UInt8] = []
    while true {
      let left = deadline - Clock.monotonic
      guard left > 0, !Poll.wait(socket.file, nil, timeoutNanoseconds: left).first.isEmpty else { throw .tryAgain }
      var none = ReceivedDescriptors()
      guard let piece = try socket.receiveOnce(atMost: 1 << 16, descriptors: &none) else { return answer }
      answer += piece
    }
  }

  private func sentence(_ error: Errno) -> String {
    switch error {
    case .noEntry, .notDirectory:
      "there is no socket '\(controlSocket)'; start the daemon with --control-socket, or mend the path"
    case .nameTooLong:
      "the path '\(controlSocket)' is longer than the 107 bytes that a socket address holds; use a shorter one"
    case .connectionRefused, .wrongSocketType:
      "no daemon answers on '\(controlSocket)'; start it again, or mend the path"
    case .accessDenied, .notPermitted:
      "no permission to ask on '\(controlSocket)'; run this as the daemon's user"
    case .tryAgain:
      "the daemon at '\(controlSocket)' did not answer within \(timeout) seconds; it is busy, or hangs"
    default:
      "cannot ask on '\(controlSocket)' (\(error.message))"
    }
  }
}

extension String {
  /// Without the white space at its end.
  fileprivate var trimmed: String {
    var text = self
    while text.last?.isWhitespace == true { text.removeLast() }
    return text
  }
}
