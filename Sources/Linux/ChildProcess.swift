// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Other processes: a copy of this one (fork) and programs (posix_spawn).

internal import CLinux

/// How a process ended.
public enum ProcessEnd: Equatable, Sendable {
  case code(Int32)
  case signal(Int32)

  /// What a shell makes of it: the code, or 128 plus the signal.
  public var shellCode: Int32 {
    switch self {
    case .code(let code): code
    case .signal(let number): 128 + number
    }
  }
}

/// A child that was not waited for yet.
public struct ChildProcess: Sendable {
  public let identifier: Int32

  /// fork(2), for a process with a single thread. Returns nil in the child.
  public static func fork() throws(Errno) -> ChildProcess? {
    let identifier = try checked(clinux_fork())
    return identifier == 0 ? nil : ChildProcess(identifier: identifier)
  }

  /// Starts a program; it is looked up in PATH.
  /// - Parameters:
  ///   - environment: "NAME=value" strings; nil passes on this process's own.
  ///   - files: become the program's descriptors 0, 1, 2, ...; nil is /dev/null. None of the others is inherited,
  ///     except 0 to 2 where the list is shorter.
  public static func spawn(
    _ arguments: [String], environment: [String]? = nil, files: [File?] = []
  ) throws(Errno) -> ChildProcess {
    let raws = files.map { $0?.raw ?? -1 }
    let result = unsafe withCStrings(arguments) { argv in
      guard let environment else {
        return unsafe clinux_spawn(argv, nil, raws, Int32(raws.count))
      }
      return unsafe withCStrings(environment) { unsafe clinux_spawn(argv, $0, raws, Int32(raws.count)) }
    }
    return ChildProcess(identifier: try checked(result))
  }

  /// Waits until it has ended.
  public func wait() throws(Errno) -> ProcessEnd {
    var status: Int32 = 0
    try checked(unsafe clinux_wait(identifier, 1, &status))
    return ChildProcess.end(status)
  }

  /// Nil while it runs.
  public func waitWithoutBlocking() throws(Errno) -> ProcessEnd? {
    var status: Int32 = 0
    let ended = try checked(unsafe clinux_wait(identifier, 0, &status))
    return ended == 0 ? nil : ChildProcess.end(status)
  }

  private static func end(_ status: Int32) -> ProcessEnd {
    status >= 256 ? .signal(status - 256) : .code(status)
  }
}

/// A pipe's two ends. Shared ones, because after a fork each process lets go of another end.
public struct Pipe: Sendable {
  public let reading: SharedDescriptor
  public let writing: SharedDescriptor

  public init() throws(Errno) {
    var ends: (Int32, Int32) = (-1, -1)
    let result = unsafe withUnsafeMutablePointer(to: &ends) {
      unsafe $0.withMemoryRebound(to: Int32.self, capacity: 2) { unsafe clinux_pipe($0) }
    }
    try checked(result)
    reading = SharedDescriptor(FileDescriptor(owning: ends.0))
    writing = SharedDescriptor(FileDescriptor(owning: ends.1))
  }
}

private let getDescriptorFlags: Int32 = 1  // F_GETFD

extension File {
  /// Open descriptors beside 0, 1 and 2 that are not in `kept`: called before this process opened any, they are those
  /// that the starting process left open. Only the first 1024 numbers are looked at.
  public static func inherited(except kept: [File]) -> [File] {
    (3..<1024).map { File(raw: $0) }.filter { file in
      !kept.contains(file) && clinux_fcntl(file.raw, getDescriptorFlags, 0) >= 0
    }
  }
}

/// Runs `body` with a NULL-terminated array of C strings that live as long as the call.
private func withCStrings<Result>(
  _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>) -> Result
) -> Result {
  // One block for all the bytes; the table points into it.
  let bytes = strings.flatMap { $0.utf8CString }
  return unsafe bytes.withUnsafeBufferPointer { buffer in
    var table: [UnsafePointer<CChar>?] = unsafe []
    var offset = 0
    for string in strings {
      let start = unsafe buffer.baseAddress.map { unsafe $0 + offset }
      unsafe table.append(start)
      offset += string.utf8.count + 1
    }
    unsafe table.append(nil)
    return unsafe table.withUnsafeBufferPointer { pointers in
      guard let base = pointers.baseAddress else { preconditionFailure("the table has its NULL") }
      return unsafe body(base)
    }
  }
}
