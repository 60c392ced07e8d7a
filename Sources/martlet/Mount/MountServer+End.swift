// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// How a mount ends. Whatever the cause: afterwards nobody hangs in it and it is out of the tree.

internal import Frontend
internal import Linux

extension MountServer {
  /// How long dirty data may take to reach the backend when the mount is asked to end.
  private static let flushSeconds = 10

  func end(_ cause: Cause) throws(HumanError) {
    switch cause {
    case .unmounted:
      if isStillInTheTree() {
        throw abandon("somebody aborted its connection with the kernel, or unmounted it by force")
      }
      leave()
    case .asked: try unmount()
    case .failed(let sentence): throw abandon(sentence)
    }
  }

  /// The kernel is done; the backend is told that the device stops, as a guest does that shuts down.
  private func leave() {
    joinThreads()
    // What it says to that does not matter any more.
    try? driver.stop()
    driver.connection.close()
    session.end()
  }

  /// The backend or the device is beyond help: calls that wait in the mount fail now.
  private func abandon(_ sentence: String) -> HumanError {
    joinThreads()
    driver.connection.close()
    session.end()
    detachIfMounted()
    return .failure(
      isReady ? "\(point.path) was unmounted: \(sentence)" : "cannot mount on '\(point.path)': \(sentence)")
  }

  /// Unmounts while requests are still carried, so that what was written arrives.
  private func unmount() throws(HumanError) {
    let helper: Detaching.Helper
    do throws(Errno) { helper = try Detaching.Helper(point.path) } catch {
      throw abandon("cannot unmount in order (\(error.message))")
    }
    let deadline = Clock.monotonic + Int64(MountServer.flushSeconds) * 1_000_000_000
    while true {
      let left = deadline - Clock.monotonic
      guard left > 0 else {
        throw abandon(
          "the backend at '\(backend.socket)' did not take what was written within \(MountServer.flushSeconds) seconds")
      }
      let found = Poll.wait(
        [helper.end, signals.file, driver.connection.socket.file, highPriority.callEvent], timeoutNanoseconds: left)
      if !found[0].isEmpty { break }
      // Asked twice: somebody is in a hurry.
      if found[1].contains(.input), (try? signals.next()) != nil { break }
      if !found[2].isEmpty, isBackendGone() {
        throw abandon("the backend at '\(backend.socket)' is gone; see its log for the reason")
      }
      if found[3].contains(.input) {
        highPriority.callEvent.drainEvent()
        try? highPriority.proceed()
      }
    }
    if !isOver() { say("\(point.path) was in use; what was open in it is cut off") }
    leave()
    detachIfMounted()
  }

  /// True if the kernel let go of the mount. It does so within the unmounting call unless the mount is in use.
  private func isOver() -> Bool {
    if state.end != nil { return true }
    _ = Poll.wait(state.news.file, nil, timeoutNanoseconds: 100_000_000)
    return state.end != nil
  }

  /// The kernel lets go of a connection that is aborted as of one that is unmounted; umount(8) by force does both, one
  /// after the other.
  private func isStillInTheTree() -> Bool {
    guard let number, point.isMounted(number) else { return false }
    _ = Poll.wait(signals.file, nil, timeoutNanoseconds: 200_000_000)
    return point.isMounted(number)
  }

  /// libfuse leaves a mount in the tree whose connection was aborted.
  private func detachIfMounted() {
    if let number, point.isMounted(number) { Detaching.detach(point.path) }
  }
}

/// Taking a mount out of the tree.
enum Detaching {
  /// A process that flushes and unmounts. Not a thread: these calls wait for the backend, and a thread that waits in
  /// the mount of its own process keeps /dev/fuse open, so that killing the process would leave everybody hanging.
  struct Helper {
    private let life: SharedDescriptor

    init(_ path: String) throws(Errno) {
      let pipe = try Pipe()
      let program = ["/proc/self/exe", DetachCommand.name, path]
      _ = try ChildProcess.spawn(program, files: [nil, nil, nil, pipe.writing.file])
      life = pipe.reading
    }

    /// Hung up when the helper has ended.
    var end: File { life.file }
  }

  /// Has everything written that is dirty in the kernel.
  static func flush(_ path: String) {
    guard let root = try? Path(path).open(flags: OpenFlags.readOnly | OpenFlags.directory) else { return }
    try? root.file.syncFileSystem()
  }

  static func detach(_ path: String) {
    if (try? Path(path).detachMount()) != nil { return }
    // Users who may not unmount have a program that may.
    guard let program = try? ChildProcess.spawn(["fusermount3", "-u", "-z", "-q", "--", path], files: [nil, nil, nil])
    else { return }
    _ = try? program.wait()
  }
}
