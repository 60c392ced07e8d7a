// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A backend whose share is mounted on this host by `martlet mount`, and the same directory without any backend: what
// programs do with files, as they do it in a guest.

internal import Linux

/// Who works with files in a directory.
protocol FileContestant: Contestant {
  var directory: String { get }
  /// Tells the contestants of a run apart: they share a directory.
  var number: Int { get }
  var settings: ShareSettings { get }
  var trees: TreeFiles { get }
  var interruption: Interruption { get }
  /// The kernel's cache is emptied before each turn, so that the backend is asked.
  var dropsCache: Bool { get }
}

extension FileContestant {
  func fileRunner(for work: Work) throws(HumanError) -> (any Runner)? {
    switch work.kind {
    case .data(let pattern):
      return try FileTransfers(
        pattern, work, "\(directory)/\(ShareFiles.file(for: pattern))", settings, dropsCache: dropsCache)
    case .tree(let tree): return TreeRunner(tree, in: directory, number: number, trees, interruption)
    case .memory, .empty: return nil
    default: return try NameRunner(work.kind, in: directory, number: number)
    }
  }
}

final class MountedShare: FileContestant {
  let directory: String
  let number: Int
  let settings: ShareSettings
  let trees: TreeFiles
  let interruption: Interruption
  let dropsCache = true
  private let backend: RunningBackend
  private let mount: ChildProcess
  private let logPath: String

  private static let startNanoseconds: Int64 = 15_000_000_000
  /// The mount gives what was written ten seconds to arrive.
  private static let stopNanoseconds: Int64 = 15_000_000_000

  init(
    _ backend: RunningBackend, number: Int, in folder: String, _ settings: ShareSettings, _ trees: TreeFiles,
    _ interruption: Interruption
  ) throws(HumanError) {
    self.backend = backend
    self.number = number
    self.settings = settings
    self.trees = trees
    self.interruption = interruption
    directory = "\(folder)/mount-\(number)"
    logPath = "\(folder)/mount-\(number).log"
    guard let program = ProgramPath.own else { throw .failure("cannot find this program; is /proc mounted?") }
    do throws(Errno) {
      if (try? Path(directory).status()) == nil { try HostFiles.makeDirectory(directory) }
      let log = try Path(logPath).open(
        flags: OpenFlags.writeOnly | OpenFlags.create | OpenFlags.truncate, mode: 0o644)
      mount = try ChildProcess.spawn(
        [program, "mount", "--socket", backend.socketPath, directory], files: [nil, log.file, log.file])
    } catch {
      throw .failure("cannot start the mount of \(backend.spec.name): \(error.message)")
    }
    let deadline = Clock.monotonic + Self.startNanoseconds
    while (try? Path(directory).isMountPoint()) != true {
      if (try? mount.waitWithoutBlocking()) != nil { throw .failure(lastWords) }
      guard Clock.monotonic < deadline else {
        unmount()
        throw .failure("\(backend.spec.name) was not mounted in time")
      }
      Pause.milliseconds(5)
    }
  }

  var name: String { backend.spec.name }
  var role: Role { backend.spec.role }
  var meter: ProcessMeter? { backend.meter(peer: settings.process) }
  var isUsable: Bool {
    if backend.end != nil { return false }
    return (try? mount.waitWithoutBlocking()) == nil && (try? Path(directory).isMountPoint()) == true
  }

  /// What the mount said at its end, without its name.
  private var lastWords: String {
    let text = (try? Path(logPath).contents()) ?? ""
    guard let line = text.split(separator: "\n").last else { return "the mount of \(name) ended" }
    return line.hasPrefix("martlet: ") ? String(line.dropFirst(9)) : String(line)
  }

  func close() {
    unmount()
    backend.stop()
  }

  private func unmount() {
    try? Signal.terminate.send(to: mount.identifier)
    let deadline = Clock.monotonic + Self.stopNanoseconds
    while (try? mount.waitWithoutBlocking()) == nil {
      if Clock.monotonic > deadline {
        // Without its server the mount cannot hang.
        try? Signal.kill.send(to: mount.identifier)
        _ = try? mount.wait()
        try? Path(directory).detachMount()
        return
      }
      Pause.milliseconds(5)
    }
  }

  func runner(for work: Work) throws(HumanError) -> (any Runner)? {
    try fileRunner(for: work).map { GuardedRunner($0, name: name, server: mount) }
  }
}

/// What the same work costs without a backend.
final class HostDirectory: FileContestant {
  let name = "host"
  let role = Role.reference
  let meter: ProcessMeter? = nil
  let isUsable = true
  let directory: String
  /// After those of all backends.
  let number = 9
  let settings: ShareSettings
  let trees: TreeFiles
  let interruption: Interruption
  let dropsCache = false

  init(_ directory: String, _ settings: ShareSettings, _ trees: TreeFiles, _ interruption: Interruption) {
    self.directory = directory
    self.settings = settings
    self.trees = trees
    self.interruption = interruption
  }

  func runner(for work: Work) throws(HumanError) -> (any Runner)? { try fileRunner(for: work) }

  func close() {}
}
