// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// One transfer of a device's state through a descriptor (a pipe or a socket) that the frontend gave. A thread of its
// own, because the frontend sends other messages meanwhile; every wait ends when the transfer is cancelled.

internal import Linux
internal import Synchronization
internal import Virtio
internal import Wire

/// Owned by the control thread.
final class StateTransfer {
  private let pump: Pump
  private var thread: Thread?

  /// Starts it. The descriptor is closed when the thread is done, which is how a reader learns of the end.
  init(
    _ device: any Device, _ descriptor: consuming FileDescriptor, saves: Bool
  ) throws(Errno) {
    let pump = try Pump(descriptor, device)
    self.pump = pump
    thread = try Thread(name: saves ? "state-save" : "state-load") { pump.run(saves: saves) }
  }

  /// Waits for the end; false if it failed, or if `stopped` got input or `frontend` hung up first, which cancels it:
  /// the other end of the state's descriptor may be in the hands of somebody who is still there.
  func wait(unless stopped: File, or frontend: File) -> Bool {
    var ready = Poll.wait([pump.finished.file, stopped, frontend])
    while ready[0].isEmpty, ready[1].isEmpty, ready[2].isDisjoint(with: [.hangUp, .error]) {
      // The next message is there already: the frontend's going has to be looked for.
      _ = Poll.wait(pump.finished.file, stopped, timeoutNanoseconds: StateTransfer.frontendCheckNanoseconds)
      ready = Poll.wait([pump.finished.file, stopped, frontend])
    }
    if ready[0].isEmpty { pump.cancelled.signal() }
    join()
    return pump.succeeded.load(ordering: .acquiring)
  }

  private static let frontendCheckNanoseconds: Int64 = 50_000_000

  /// Ends it at once.
  func cancel() {
    pump.cancelled.signal()
    join()
  }

  private func join() {
    if let thread = thread.take() { thread.join() }
  }
}

/// What the transfer's thread works on.
private final class Pump: Sendable {
  let finished: Event
  let cancelled: Event
  let succeeded = Atomic<Bool>(false)
  private let descriptor: Mutex<FileDescriptor?>
  private let device: any Device

  /// A pipe that is writable takes this much without blocking (PIPE_BUF).
  private static let chunkByteCount = 4096

  init(_ descriptor: consuming FileDescriptor, _ device: any Device) throws(Errno) {
    finished = try Event()
    cancelled = try Event()
    self.descriptor = Mutex(consume descriptor)
    self.device = device
  }

  func run(saves: Bool) {
    if let descriptor = descriptor.withLock({ $0.take() }) {
      let file = descriptor.file
      let scratch = Scratch(byteCount: 64 << 10)
      let buffer = scratch.segment
      let done =
        saves
        ? device.saveState { self.write($0, to: file, through: buffer) }
        : device.loadState { self.read(from: file, into: buffer) }
      succeeded.store(done, ordering: .releasing)
    }
    // The descriptor is closed by now.
    finished.signal()
  }

  private func write(_ bytes: [UInt8], to file: File, through buffer: Segment) -> Bool {
    var sent = 0
    while sent < bytes.count {
      var chunk = ByteWriter(buffer.prefix(Pump.chunkByteCount))
      for byte in bytes[sent..<min(sent + Pump.chunkByteCount, bytes.count)] { chunk.append(byte) }
      guard Poll.waitWritable(file, unless: cancelled.file) else { return false }
      do {
        sent += try file.write(chunk.written)
      } catch .tryAgain {
        continue
      } catch {
        return false
      }
    }
    return true
  }

  /// Empty at the end, and when the transfer was cancelled or failed: the device sees a state that is too short.
  private func read(from file: File, into buffer: Segment) -> [UInt8] {
    while true {
      let ready = Poll.wait(file, cancelled.file)
      if !ready.second.isEmpty { return [] }
      do {
        let count = try file.read(into: buffer)
        return buffer.prefix(count).bytes()
      } catch .tryAgain {
        continue
      } catch {
        return []
      }
    }
  }
}
