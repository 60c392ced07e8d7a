// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The programs under test: what to call them, how to start them, and one that runs.

internal import Linux

/// A backend that can be measured.
struct BackendSpec {
  enum Source {
    /// Somebody else started it; it listens here.
    case socket(String)
    /// Started with these arguments behind its own.
    case program(String, [String])
  }

  /// What the tables call it.
  let name: String
  let source: Source
  let role: Role

  /// It is started here, and so can be started anew.
  var isProgram: Bool { if case .program = source { true } else { false } }
}

extension [BackendSpec] {
  /// All of them started, each with what works on it; nobody is left running if one cannot be had.
  /// - Parameter start: is told the number of each, from 0 on, as `session` is.
  func contestants(
    start: (BackendSpec, Int) throws(HumanError) -> RunningBackend,
    session: (RunningBackend, Int) throws(HumanError) -> any Contestant
  ) throws(HumanError) -> [any Contestant] {
    var contestants: [any Contestant] = []
    do throws(HumanError) {
      for (number, spec) in enumerated() {
        let backend = try start(spec, number)
        do throws(HumanError) {
          contestants.append(try session(backend, number))
        } catch {
          backend.stop()
          throw error
        }
      }
    } catch {
      for contestant in contestants { contestant.close() }
      throw error
    }
    return contestants
  }
}

/// One way to start all backends.
struct BenchMode {
  let name: String
  let arguments: [String]

  /// The ways that the comparison knows.
  static func named(_ name: String) -> BenchMode? {
    switch name {
    case "default": BenchMode(name: name, arguments: [])
    case "microvm":
      // What microvm.nix passes (nixos-modules/microvm/virtiofsd).
      BenchMode(
        name: name,
        arguments: [
          "--thread-pool-size=\(Processors.usableCount)", "--inode-file-handles=prefer", "--posix-acl", "--xattr",
        ])
    case "never": BenchMode(name: name, arguments: ["--inode-file-handles=never"])
    default: nil
    }
  }

  /// Those of a list as --modes has it, where each is a way of its own to start and to attach a backend.
  static func chosen<Way: RawRepresentable<String> & CaseIterable>(
    _ list: String, of ways: Way.Type
  ) throws(HumanError) -> [BenchMode] {
    let names = ways.allCases.map { $0.rawValue }.joined(separator: ", ")
    var chosen: [BenchMode] = []
    for name in list.split(separator: ",") {
      guard let way = Way(rawValue: String(name)) else {
        throw .usage("\"\(name)\" is no mode; give some of \(names)")
      }
      chosen.append(BenchMode(name: way.rawValue, arguments: []))
    }
    if chosen.isEmpty { throw .usage("--modes names no mode; give some of \(names)") }
    return chosen
  }
}

/// A backend that listens on a socket.
final class RunningBackend {
  let spec: BackendSpec
  let socketPath: String
  private let child: ChildProcess?
  private let logPath: String

  private static let startNanoseconds: Int64 = 10_000_000_000
  private static let stopNanoseconds: Int64 = 5_000_000_000

  /// Starts the backend if it is a program, and waits until it listens.
  /// - Parameters:
  ///   - arguments: of the program, in front of those of the spec, for a socket at a path.
  ///   - folder: for the socket and the log.
  ///   - number: tells several of the same name apart.
  init(
    _ spec: BackendSpec, in folder: String, number: Int = 0, _ arguments: (_ socket: String) -> [String]
  ) throws(HumanError) {
    self.spec = spec
    logPath = "\(folder)/\(spec.name)-\(number).log"
    switch spec.source {
    case .socket(let path):
      socketPath = path
      child = nil
    case .program(let program, let more):
      socketPath = "\(folder)/\(spec.name)-\(number).sock"
      let line = [program] + arguments(socketPath) + more
      do {
        let log = try Path(logPath).open(
          flags: OpenFlags.writeOnly | OpenFlags.create | OpenFlags.truncate, mode: 0o644)
        child = try ChildProcess.spawn(line, files: [nil, log.file, log.file])
      } catch {
        throw .failure("cannot start \(program): \(error.message)")
      }
    }
    do throws(HumanError) {
      try waitUntilItListens()
    } catch {
      stop()
      throw error
    }
  }

  private func waitUntilItListens() throws(HumanError) {
    let deadline = Clock.monotonic + Self.startNanoseconds
    while (try? Path(socketPath).isServed()) != true {
      if let child, let end = try? child.waitWithoutBlocking() {
        throw .failure("\(spec.name) ended at its start (\(end.shellCode))\(lastWords)")
      }
      guard Clock.monotonic < deadline, child != nil else {
        throw .failure("nobody listens on \(socketPath)\(lastWords)")
      }
      Pause.milliseconds(10)
    }
    // The socket is there before the sandbox is: let the child of the sandbox come up, so that it is metered.
    Pause.milliseconds(200)
  }

  /// Processes of the backend: the started one's tree, or the process behind a foreign socket's connection.
  func meter(peer: Int32?) -> ProcessMeter? {
    (child?.identifier ?? peer).map { ProcessMeter(of: $0) }
  }

  /// Nil while it runs.
  var end: ProcessEnd? { child.flatMap { try? $0.waitWithoutBlocking() } }

  /// The end of what it wrote, for a message.
  var lastWords: String {
    guard let text = try? Path(logPath).contents(), let line = text.split(separator: "\n").last else { return "" }
    return "; it said: \(line)"
  }

  /// Ends a backend that was started here; with its sandbox it may need a moment.
  func stop() {
    guard let child else { return }
    try? Signal.terminate.send(to: child.identifier)
    let deadline = Clock.monotonic + Self.stopNanoseconds
    while (try? child.waitWithoutBlocking()) == nil {
      if Clock.monotonic > deadline {
        try? Signal.kill.send(to: child.identifier)
        _ = try? child.wait()
        return
      }
      Pause.milliseconds(5)
    }
  }
}

extension RunningBackend {
  /// For each step of the way to the first request.
  private static let setUpSeconds = 10

  /// Sets up what is driven, at the other end of its socket; what goes wrong is told with its last words.
  func setUp<Value>(_ part: (Backend) throws(HumanError) -> Value) throws(HumanError) -> Value {
    do throws(HumanError) {
      return try part(Backend(socket: socketPath, timeoutSeconds: Self.setUpSeconds))
    } catch {
      throw .failure("\(spec.name) cannot be measured: \(error.message)\(lastWords)")
    }
  }
}

enum Pause {
  static func milliseconds(_ count: Int64) {
    _ = Poll.wait(nil, nil, timeoutNanoseconds: count * 1_000_000)
  }
}
