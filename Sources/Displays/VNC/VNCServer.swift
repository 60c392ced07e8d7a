// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A VNC server: one thread for all listeners and all viewers of a device. It copies what the guest has flushed once,
// into one picture per scanout, and each viewer gets of that what it has not seen, when it asks and when what it got
// before is out. Nobody ever waits for a viewer.

public import Graphics
public import Linux

/// What all viewers of a server have in common.
public struct VNCSettings: Sendable {
  /// What a viewer writes above its window.
  public var name: String
  /// At most 8 bytes count (RFC 6143 section 7.2.2); nil lets everybody in who can connect.
  public var password: [UInt8]?
  /// Where keys and pointers go; nil where there is no device for them.
  public var input: InputSink?

  public init(name: String, password: [UInt8]? = nil, input: InputSink? = nil) {
    self.name = name
    self.password = password
    self.input = input
  }
}

/// A listening socket, and which screen is shown to those who come there.
public struct VNCListener: Sendable {
  let socket: SharedDescriptor
  let scanout: Int

  public init(_ socket: SharedDescriptor, scanout: Int) {
    self.socket = socket
    self.scanout = scanout
  }
}

public struct VNCServer: ~Copyable {
  /// Further ones wait in the listener's queue.
  public static let mostViewers = 16
  /// Poll takes 64: two for each viewer, one for each listener, and two more.
  public static let mostListeners = 16
  /// Of each listener, not let in yet: whoever may connect there, and may not come in, keeps nobody else out.
  private static let mostStrangers = 4
  /// How long to leave the listeners alone when the host has no descriptor or no memory left.
  private static let retryNanoseconds: Int64 = 100_000_000

  private final class Door {
    let socket: ListeningSocket
    let screen: Screen

    init(_ socket: consuming ListeningSocket, _ screen: Screen) {
      self.socket = socket
      self.screen = screen
    }
  }

  private let settings: VNCSettings
  private let doors: [Door]
  private let screens: [Screen]
  private let mailbox: Mailbox
  private let encoder: RectangleEncoder
  private let stopped: File
  private var viewers: [Viewer] = []

  /// - Parameters:
  ///   - listeners: at most `mostListeners`.
  ///   - stopped: readable when `run` shall return; nil runs as long as the process.
  public init(
    _ device: GraphicsDevice, _ listeners: [VNCListener], _ settings: VNCSettings, stopped: File? = nil
  ) throws(Errno) {
    precondition(listeners.count <= VNCServer.mostListeners, "too many listeners")
    var screens: [Screen] = []
    var doors: [Door] = []
    for listener in listeners {
      let screen = screens.first { $0.scanout == listener.scanout } ?? Screen(device, scanout: listener.scanout)
      if !screens.contains(where: { $0 === screen }) { screens.append(screen) }
      let socket = ListeningSocket(try listener.socket.file.duplicate())
      try socket.file.setNonBlocking(true)
      doors.append(Door(socket, screen))
    }
    let encoder = try RectangleEncoder()
    let mailbox = try Mailbox()
    device.attach(mailbox)
    self.settings = settings
    self.doors = doors
    self.screens = screens
    self.encoder = encoder
    self.mailbox = mailbox
    self.stopped = stopped ?? File(raw: -1)
  }

  public mutating func run() {
    let nobody = File(raw: -1)
    while true {
      let isFull = viewers.count >= VNCServer.mostViewers
      // What happens while nobody looks is one note, however long it takes.
      var wishes: [Poll.Wish] = [.input(stopped), .input(viewers.isEmpty ? nobody : mailbox.file)]
      for (number, door) in doors.enumerated() {
        let strangers = viewers.count { $0.door == number && !$0.isIn }
        wishes.append(.input(isFull || strangers >= VNCServer.mostStrangers ? nobody : door.socket.file))
      }
      for viewer in viewers {
        wishes.append(.input(viewer.wantsInput ? viewer.socket.file : nobody))
        wishes.append(.output(viewer.wantsOutput ? viewer.socket.file : nobody))
      }
      let now = Clock.monotonic
      let timeout = viewers.compactMap { $0.nextDeadline }.min().map { max($0 - now, 0) } ?? -1
      let ready = Poll.wait(for: wishes, timeoutNanoseconds: timeout)
      if ready[0] { break }
      if ready[1] { look() }
      serveViewers(ready.dropFirst(2 + doors.count))
      for (number, isReady) in ready.dropFirst(2).prefix(doors.count).enumerated() where isReady { accept(number) }
    }
    for viewer in viewers { viewer.leave() }
    viewers = []
  }

  /// Takes the guest's news, and tells the viewers.
  private func look() {
    for news in mailbox.take() {
      guard let screen = screens.first(where: { $0.scanout == news.scanout }) else { continue }
      let change = screen.update(news)
      for viewer in viewers where viewer.screen === screen {
        viewer.damage(change.damage)
        for part in change.cursorDamage where viewer.seesDrawnCursor { viewer.damage(part) }
        if change.hasNewCursor { viewer.hasNewCursor = true }
      }
    }
  }

  /// - Parameter ready: two for each viewer.
  private mutating func serveViewers(_ ready: ArraySlice<Bool>) {
    let now = Clock.monotonic
    var staying: [Viewer] = []
    var place = ready.startIndex
    for viewer in viewers {
      let hasInput = viewer.wantsInput && ready[place]
      place += 2
      // Not only when there is room for output: the guest's news may be for those who have none on its way.
      if viewer.keepsTime(now), !hasInput || viewer.receive() {
        viewer.applySizeWish(now)
        if viewer.send(encoder) { staying.append(viewer) } else { viewer.leave() }
      } else {
        viewer.leave()
      }
    }
    viewers = staying
  }

  private mutating func accept(_ number: Int) {
    guard viewers.count < VNCServer.mostViewers else { return }
    let door = doors[number]
    do {
      let socket = try door.socket.accept()
      // It is greeted with the size that the screen has now.
      if viewers.isEmpty { look() }
      let viewer = try Viewer(socket, door.screen, door: number, settings)
      if viewer.send(encoder) { viewers.append(viewer) }
    } catch .tryAgain {
      return
    } catch {
      _ = Poll.wait(nil, nil, timeoutNanoseconds: VNCServer.retryNanoseconds)
    }
  }
}
