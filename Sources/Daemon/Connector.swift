// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// How a daemon behind its walls reaches a socket of another program, again and again: that program may come later, or
// end and come back with another socket file. A process that stays outside connects to that one path when it is asked
// to, and hands the connection in. It sees no byte of a guest's and has no other errand, so that the process that
// serves guests needs neither a directory nor the right to make a connection
// (contrib/decisions/0037-a-process-that-connects.md).

public import Linux
internal import Synchronization

public final class Connector: Sendable {
  /// How long a listener may take to take a connection.
  private static let patienceMilliseconds: Int64 = 2000
  /// What it answers when there is a connection; else it is the error's number.
  private static let success: UInt8 = 0

  private let socket: UnixSocket
  /// One question is on its way at a time.
  private let turns = Mutex<Void>(())

  private init(_ socket: consuming UnixSocket) {
    self.socket = socket
  }

  /// A new connection. Waits for the listener, not for long.
  public func connect() throws(Errno) -> UnixSocket {
    UnixSocket(
      try turns.withLock { _ throws(Errno) in
        try socket.send([0])
        var descriptors = ReceivedDescriptors()
        guard let answer = try socket.receive(1, descriptors: &descriptors) else { throw .connectionReset }
        guard answer[0] == Connector.success, let connection = descriptors.takeFirst() else {
          throw Errno(Int32(answer[0]))
        }
        return connection
      })
  }

  // MARK: The other process

  /// Starts the process that connects to `path`, from a process with a single thread and before its walls. It ends when
  /// nobody holds the connector any more.
  static func start(_ path: String, _ seccomp: SeccompMode) throws(HumanError) -> Connector {
    do throws(Errno) {
      let (inside, outside) = try ends()
      if try ChildProcess.fork() == nil { serve(UnixSocket(try outside.file.duplicate()), path, seccomp) }
      return Connector(UnixSocket(try inside.file.duplicate()))
    } catch {
      throw .failure(
        "cannot start the process that connects to '\(path)' (\(error.message)); raise the limit of processes")
    }
  }

  private static func ends() throws(Errno) -> (SharedDescriptor, SharedDescriptor) {
    let pair = try UnixSocket.pair()
    return (
      SharedDescriptor(try pair.first.file.duplicate()), SharedDescriptor(try pair.second.file.duplicate())
    )
  }

  private static func serve(_ socket: consuming UnixSocket, _ path: String, _ seccomp: SeccompMode) -> Never {
    // Among them the other end, whose last holder must be the daemon.
    for file in File.inherited(except: [socket.file]) { file.close() }
    // A daemon of root's may connect to the desktop of a user.
    _ = try? CapabilitySet([.dacOverride]).keepOnlyThese()
    do {
      try SeccompFilter.load(seccomp, allowing: SystemCalls.ofConnector)
    } catch {
      CurrentProcess.exit(ExitCode.failure)
    }
    var descriptors = ReceivedDescriptors()
    while (try? socket.receive(1, descriptors: &descriptors)) != nil {
      do throws(Errno) {
        do throws(Errno) {
          let connection = try UnixSocket.connect(to: path, withinMilliseconds: patienceMilliseconds)
          try socket.send([success], files: [connection.file])
        } catch {
          try socket.send([UInt8(clamping: error.rawValue)])
        }
      } catch {
        break
      }
    }
    CurrentProcess.exit(ExitCode.success)
  }
}
