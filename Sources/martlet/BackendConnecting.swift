// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Reaching a backend, and saying in a sentence what it did wrong. Every wait on it is bounded.

internal import ArgumentParser
internal import Frontend
internal import Linux
internal import VhostUserProtocol
internal import VirtioProtocol

/// Which backend, and how long an answer may take: options of every command that talks to one.
struct BackendOptions: ParsableArguments {
  @Option(help: ArgumentHelp("The socket on which the vhost-user backend listens.", valueName: "path"))
  var socket: String

  @Option(help: ArgumentHelp("How long the backend may take for an answer while it is set up.", valueName: "seconds"))
  var timeout = 5

  mutating func validate() throws {
    guard (1...3600).contains(timeout) else {
      throw ValidationError("--timeout needs a number from 1 to 3600, not \(timeout)")
    }
    guard !socket.isEmpty else { throw ValidationError("--socket needs a path") }
  }

  var backend: Backend { Backend(socket: socket, timeoutSeconds: timeout) }
}

struct Backend: Sendable {
  let socket: String
  let timeoutSeconds: Int

  func connect() throws(HumanError) -> FrontendConnection {
    do throws(Errno) {
      let connected = try UnixSocket.connect(to: socket, withinMilliseconds: Int64(timeoutSeconds) * 1000)
      return FrontendConnection(connected, timeoutNanoseconds: Int64(timeoutSeconds) * 1_000_000_000)
    } catch {
      throw .failure(sentence(connecting: error))
    }
  }

  /// Runs a part of the conversation and makes a sentence of what went wrong in it.
  func talking<Value: ~Copyable>(
    _ part: () throws(FrontendError) -> Value
  ) throws(HumanError) -> Value {
    do throws(FrontendError) { return try part() } catch { throw .failure(sentence(error)) }
  }

  private func sentence(connecting error: Errno) -> String {
    let status = try? Path(socket).status()
    switch error {
    case .noEntry, .notDirectory:
      return "there is no socket '\(socket)'; start the backend first, or mend --socket"
    case .nameTooLong:
      return "the path '\(socket)' is longer than the 107 bytes that a socket address holds; use a shorter one"
    case .connectionRefused where status != nil && status?.type != .socket, .wrongSocketType:
      return "'\(socket)' is not the socket of a vhost-user backend; mend --socket"
    case .connectionRefused:
      return "nobody listens on '\(socket)'; start the backend again"
    case .accessDenied, .notPermitted:
      return "no permission to connect to '\(socket)'; run this as the user or group that owns the socket"
    case .tryAgain:
      return "the backend at '\(socket)' took no connection within \(seconds); it is busy with others, or hangs"
    default:
      return "cannot connect to '\(socket)' (\(error.message))"
    }
  }

  /// What every user of a share needs of its backend.
  func expectShare(_ device: VhostUserDriver) throws(HumanError) {
    guard device.features.contains(.version1) else {
      throw .failure("the backend at '\(socket)' is older than VIRTIO 1.0 (no VERSION_1); use a newer one")
    }
    guard device.queues.count >= 2 else {
      throw .failure(
        "the backend at '\(socket)' is no file system: it has \(device.queues.count) of the 2 queues that a file "
          + "system has at least; see martlet inspect")
    }
  }

  /// What the backend did wrong.
  func sentence(_ error: FrontendError) -> String {
    switch error {
    case .closed:
      return "the backend at '\(socket)' closed the connection; see its log for the reason"
    case .timedOut, .system(.tryAgain):
      return "the backend at '\(socket)' did not answer within \(seconds); it serves somebody else, or hangs"
    case .malformedReply(let request, let reason):
      return "what listens on '\(socket)' does not speak vhost-user: its answer to \(Backend.name(request)) is "
        + "wrong (\(reason))"
    case .refused(let request, _):
      return "the backend at '\(socket)' refused \(Backend.name(request)); see its log for the reason"
    case .deviceFault(let reason):
      return "the backend at '\(socket)' broke its ring (\(reason))"
    case .outOfMemory, .queueFull:
      return "the memory for requests is too small for the backend at '\(socket)'; use fewer queues"
    case .system(let error):
      return "the host refused a call for the backend at '\(socket)' (\(error.message))"
    }
  }

  /// What came of a request that a guest makes first of all.
  func sentence(_ request: String, _ error: FuseError) -> String {
    switch error {
    case .refused(let error): "the backend at '\(socket)' refused \(request) (\(error.message)); see its log"
    case .malformed(let reason):
      "the backend at '\(socket)' is no file system: its answer to \(request) makes no sense (\(reason))"
    case .transport(let error): sentence(error)
    }
  }

  private var seconds: String { timeoutSeconds == 1 ? "a second" : "\(timeoutSeconds) seconds" }

  /// A request's name as the specification spells it: GET_QUEUE_NUM.
  static func name(_ request: UInt32) -> String {
    guard let known = FrontendRequest(rawValue: request) else { return "a message" }
    var name = ""
    for character in "\(known)" {
      if character.isUppercase { name += "_" }
      name += character.uppercased()
    }
    return name
  }
}
