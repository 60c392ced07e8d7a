// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The service manager's two conventions: sd_notify(3) and sd_listen_fds(3), and datagrams in general (syslog).

internal import CLinux
internal import Wire

/// A connected datagram socket. It stays usable inside a sandbox: what counts is when it was connected.
public struct DatagramSocket: Sendable {
  private let descriptor: SharedDescriptor

  /// Connects to a socket file, or to an abstract name if `path` begins with "@".
  public init(to path: String) throws(Errno) {
    let result = unsafe path.withCString { unsafe clinux_connect_datagram($0) }
    descriptor = SharedDescriptor(FileDescriptor(owning: try checked(result)))
  }

  /// Receives what is sent to `path`; "@" as above. For whoever starts daemons and waits until they are ready.
  public init(boundTo path: String) throws(Errno) {
    let result = unsafe path.withCString { unsafe clinux_bind_datagram($0) }
    descriptor = SharedDescriptor(FileDescriptor(owning: try checked(result)))
  }

  public var file: File { descriptor.file }

  /// Waits for the next datagram, as text of at most 4096 bytes.
  public func receive() throws(Errno) -> String {
    let scratch = Scratch(byteCount: 4096)
    let count = try file.read(into: scratch.segment)
    return String(decoding: scratch.segment.prefix(count).bytes(), as: UTF8.self)
  }

  /// One datagram.
  public func send(_ text: String) throws(Errno) {
    try file.write(text)
  }
}

/// The manager that started this process (systemd and those that speak like it).
public enum ServiceManager {
  /// The socket of $NOTIFY_SOCKET; nil if the manager does not ask to be told.
  public static func notificationSocket() -> DatagramSocket? {
    guard let path = CurrentProcess.environment("NOTIFY_SOCKET"), path.hasPrefix("/") || path.hasPrefix("@") else {
      return nil
    }
    return try? DatagramSocket(to: path)
  }

  /// A descriptor that the manager opened for this process.
  public struct PassedDescriptor: Sendable {
    /// From $LISTEN_FDNAMES; empty if it has no name.
    public let name: String
    public let file: File
  }

  /// The descriptors of $LISTEN_FDS, if they are meant for this process ($LISTEN_PID); made close-on-exec. The caller
  /// takes each over with `FileDescriptor(owning:)` once.
  public static func passedDescriptors() -> [PassedDescriptor] {
    guard CurrentProcess.environment("LISTEN_PID").flatMap({ Int32($0) }) == CurrentProcess.identifier,
      let count = CurrentProcess.environment("LISTEN_FDS").flatMap({ Int32($0) }), count > 0, count <= 1024
    else { return [] }
    let names = (CurrentProcess.environment("LISTEN_FDNAMES") ?? "")
      .split(separator: ":", omittingEmptySubsequences: false)
    return (0..<count).map { index in
      let raw = 3 + index  // SD_LISTEN_FDS_START
      _ = clinux_set_close_on_exec(raw)
      return PassedDescriptor(name: Int(index) < names.count ? String(names[Int(index)]) : "", file: File(raw: raw))
    }
  }
}

extension File {
  /// FD_CLOEXEC, for descriptors that came from outside. False if this is no open descriptor.
  public func closeOnExec() -> Bool {
    clinux_set_close_on_exec(raw) >= 0
  }
}
