// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Which dialect is spoken: a frontend that hands over a display socket shows the screens itself, from then on and until
// that socket ends (QEMU); any other leaves them to us (contrib/decisions/0043).

internal import GPUProtocol
internal import Linux
internal import Synchronization
internal import Virtio

extension GraphicsDevice {
  /// The frontend's display socket. Another one may come at any time and counts from then on.
  public func adoptSocket(_ descriptor: Int32) -> Bool {
    // The whole change under the lock: the old display may be ending by itself, and the new one end at once.
    frontendDisplay.withLock { current in
      current?.end()
      current = nil
      do throws(Errno) {
        let socket = UnixSocket(try File(raw: descriptor).duplicate())
        let display = try FrontendDisplay(
          socket, queueCount: description.queueCount, patienceNanoseconds: core.options.frontendPatienceNanoseconds)
        lock.withLock { core.beginShowingThroughFrontend() }
        try display.start(showing: self)
        current = display
      } catch {
        // Too few descriptors or threads: the guest runs on, and is seen on other displays.
        lock.withLock { core.endShowingThroughFrontend() }
      }
      return current != nil
    }
  }

  /// The next frontend's guest is not for the eyes of this one, which may still hold its end of the socket.
  public func frontendLeft() { leave(nil) }

  /// A display's socket has ended.
  func forget(_ display: FrontendDisplay) { leave(display) }

  /// - Parameter only: nothing happens if it is this one no more; nil for whichever it is.
  private func leave(_ only: FrontendDisplay?) {
    frontendDisplay.withLock { current in
      guard let display = current, only == nil || only === display else { return }
      display.end()
      current = nil
      lock.withLock { core.endShowingThroughFrontend() }
    }
  }

  /// The display has said how large its screens are.
  func adoptSizes(_ info: GPUDisplayInfo, of display: FrontendDisplay) {
    frontendDisplay.withLock { current in
      guard current === display else { return }
      lock.withLock { core.adoptSizes(info) }
    }
  }
}

/// A request of the guest that waits for the frontend's reply.
///
/// Owned by the thread of the queue from which it came.
final class WaitingRequest {
  var chain = Chain(capacity: 8)
  let header: GPUControlHeader
  let question: FrontendQuestion
  let display: FrontendDisplay
  let ticket: UInt64

  /// Takes the chain over and leaves an empty one.
  init(
    _ chain: inout Chain, _ header: GPUControlHeader, _ question: FrontendQuestion, _ display: FrontendDisplay,
    ticket: UInt64
  ) {
    self.header = header
    self.question = question
    self.display = display
    self.ticket = ticket
    swap(&self.chain, &chain)
  }

  var isSettled: Bool { display.questions.isSettled(ticket) }
}
