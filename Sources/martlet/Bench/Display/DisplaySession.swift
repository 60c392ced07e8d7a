// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A graphics device driven through virtqueues of this program, with the commands that Linux's driver sends, and with
// somebody who looks at its screen.

internal import Frontend
internal import GPUProtocol
internal import Linux
internal import VirtioProtocol

final class DisplaySession: DrivenSession, Contestant {
  let backend: RunningBackend
  let connection: FrontendConnection
  let client: GPUClient
  /// The commands of one frame.
  let lane: GPULane
  let cursor: GPULane
  let mode: DisplayMode
  let pollNanoseconds: Int64
  /// Whoever looks all the time.
  let sight: Sight?
  private let closeSight: () -> Void
  /// It is attached in another dialect than the mode says, because it knows no other.
  private let isElsewhere: Bool
  /// Screenshots and counters; nil for a rival.
  let shots: ShotEye?

  private static let queueSize = 64
  static let timeoutSeconds = 30
  private static let timeoutNanoseconds = Int64(timeoutSeconds) * 1_000_000_000
  /// Two framebuffers of the largest size, and a little more.
  private static let memoryByteCount = 2 * 3840 * 2160 * PictureWork.bytesPerPixel + (8 << 20)

  init(_ backend: RunningBackend, _ wanted: DisplayMode, pollNanoseconds: Int64) throws(HumanError) {
    self.backend = backend
    let isMartlet = DisplayStarter.isMartlet(backend.spec)
    mode = isMartlet ? wanted : .qemu
    isElsewhere = mode != wanted
    self.pollNanoseconds = pollNanoseconds
    let eye: FrontendEye?
    do throws(Errno) {
      eye = mode == .qemu ? try FrontendEye() : nil
      shots =
        isMartlet
        ? try ShotEye(DisplayStarter.controlSocket(backend.socketPath), timeoutSeconds: Self.timeoutSeconds) : nil
    } catch {
      throw .failure("the host has no memory or socket left for whoever looks at the screen (\(error.message))")
    }
    let mode = mode
    (connection, client, lane, cursor) = try backend.setUp { (peer) throws(HumanError) in
      try Self.attach(peer, mode, eye)
    }
    if mode.hasViewer {
      let path = DisplayStarter.viewerSocket(backend.socketPath)
      let viewer: ViewerEye
      do throws(Errno) {
        viewer = try ViewerEye(path, isCompressed: mode.compresses, timeoutSeconds: Self.timeoutSeconds)
      } catch {
        connection.close()
        throw .failure("\(backend.spec.name) does not let a viewer in (\(error.message))\(backend.lastWords)")
      }
      sight = viewer.sight
      closeSight = { viewer.close() }
    } else {
      sight = eye?.sight
      closeSight = { eye?.close() }
    }
  }

  private static func attach(_ peer: Backend, _ mode: DisplayMode, _ eye: FrontendEye?) throws(HumanError) -> (
    FrontendConnection, GPUClient, GPULane, GPULane
  ) {
    let connection = try peer.connect()
    return try peer.talking { () throws(FrontendError) in
      var wishes = DriverWishes()
      wishes.queueSize = Self.queueSize
      wishes.queueCount = 2
      wishes.features.insert(.device(GPUFeatureBit.edid))
      // QEMU's frontend never passes them on.
      if mode.usesBlobs { wishes.features.insert(.device(GPUFeatureBit.resourceBlob)) }
      let driver = try VhostUserDriver(
        connection, ram: try GuestRAM(byteCount: Self.memoryByteCount), wishes: wishes)
      if let eye { try eye.attach(connection) }
      try driver.start()
      let client = try GPUClient(driver, timeoutNanoseconds: Self.timeoutNanoseconds)
      return (
        connection, client, try GPULane(driver.queues[0], depth: 4),
        try GPULane(driver.queues[1], depth: 1, isAnswered: false)
      )
    }
  }

  var name: String { backend.spec.name }
  var role: Role { backend.spec.role }
  var meter: ProcessMeter? { backend.meter(peer: nil) }
  var isUsable: Bool { !isGone && lane.inFlightCount == 0 && cursor.inFlightCount == 0 && sight?.trouble == nil }

  func runner(for work: Work) throws(HumanError) -> (any Runner)? {
    guard case .picture(let picture) = work.kind else { return nil }
    if case .cursor = picture.task { return try orFail { () throws(FrontendError) in try CursorRunner(self, picture) } }
    // When something is seen on another display says nothing about this one.
    if case .seen = picture.task, isElsewhere { return nil }
    return try orFail { () throws(FrontendError) in try PictureRunner(self, picture) }
  }

  /// A part of a work; what goes wrong is told with the backend's last words.
  func orFail<Value>(_ part: () throws(FrontendError) -> Value) throws(HumanError) -> Value {
    do throws(FrontendError) { return try part() } catch { throw failure(error) }
  }

  func close() {
    closeSight()
    connection.close()
    backend.stop()
  }
}
