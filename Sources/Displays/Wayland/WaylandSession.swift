// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// One connection's life: finds what the compositor offers, opens the windows, passes events on. Belongs to the
// display's thread; ends by throwing why.

internal import Graphics
internal import Linux
internal import WaylandProtocol

final class WaylandSession {
  private let device: GraphicsDevice
  private let settings: WaylandSettings
  private let connection: WaylandConnection
  private let registry: UInt32
  /// Answered when everything that the compositor offers was told; 0 from then on.
  private var firstAnswer: UInt32
  private var globals = WaylandGlobals()
  /// The first one that the compositor offers; nil where keys go nowhere.
  private var seat: Seat?
  private var windows: [WaylandWindow] = []

  init(_ socket: consuming UnixSocket, _ device: GraphicsDevice, _ settings: WaylandSettings) throws(Errno) {
    self.device = device
    self.settings = settings
    connection = try WaylandConnection(socket)
    registry = connection.make(.registry)
    firstAnswer = connection.make(.callback)
    connection.send(.getRegistry(new: registry))
    connection.send(.sync(new: firstAnswer))
  }

  var file: File { connection.file }
  var wantsOutput: Bool { !connection.isFlushed }

  /// When something is due even if nothing happens.
  var deadline: Int64? { windows.compactMap { $0.deadline }.min() }

  /// The guest has changed something.
  func look(_ news: ScanoutNews) {
    guard let window = windows.first(where: { $0.scanout == news.scanout }) else { return }
    if news.hasNewMode || !news.damage.isEmpty { window.look(news.damage) }
    if news.hasNewCursor { seat?.cursorChanged(on: news.scanout) }
  }

  /// Takes what the compositor has said.
  func receive() throws(WaylandEnd) {
    try connection.receive()
    try connection.drain { object, event throws(WaylandEnd) in try self.handle(object, event) }
  }

  /// Does what is due. New pixels only when the old ones are out.
  func turn(_ now: Int64) throws(WaylandEnd) {
    try connection.flush()
    // Asked once: what one window adds must not make the others wait.
    let isFlushed = connection.isFlushed
    for window in windows {
      window.passTime(now)
      if isFlushed || window.surface == 0 { window.present() }
    }
    if isFlushed { seat?.present(globals) }
    try connection.flush()
  }

  /// Nobody holds keys any more.
  func leave() {
    seat?.leave()
  }

  // MARK: Events

  private func handle(_ object: UInt32, _ event: WaylandEvent) throws(WaylandEnd) {
    switch event {
    case .error(_, let code, let text): throw WaylandEnd(reason: "has ended the connection: \(text.forLog) (\(code))")
    case .global(let name, let interface, let version): bind(name, interface, version)
    case .globalRemoved(let name):
      if name == seat?.name {
        seat?.leave()
        seat = nil
      }
    case .done:
      if object == firstAnswer {
        // Another object may have its number from now on.
        firstAnswer = 0
        try openWindows()
      }
      for window in windows { window.isDone(object) }
      connection.bury(object)
    case .release:
      for window in windows { window.release(object) }
      seat?.release(object)
    case .ping(let serial): connection.send(.pong(object, serial: serial))
    case .configure(let serial): windows.first { $0.windowSurface == object }?.configure(serial: serial)
    case .configureToplevel(let width, let height, let isFixed):
      windows.first { $0.toplevel == object }?.configureToplevel(width: width, height: height, isFixed: isFixed)
    case .close:
      guard let window = windows.first(where: { $0.toplevel == object }) else { return }
      seat?.forget(window)
      window.dismiss()
    default: seat?.handle(object, event, windows)
    }
  }

  private func bind(_ name: UInt32, _ interface: String, _ version: UInt32) {
    func new(_ kind: WaylandInterface, _ version: UInt32) -> UInt32 {
      let object = connection.make(kind)
      connection.send(.bind(registry, name: name, interface: interface, version: version, new: object))
      return object
    }
    // What is used of each is in its first version; window states of tiles are told from version 2 on.
    switch interface {
    case WaylandInterface.compositor.globalName where globals.compositor == 0: globals.compositor = new(.compositor, 1)
    case WaylandInterface.shm.globalName where globals.shm == 0: globals.shm = new(.shm, 1)
    case WaylandInterface.windowBase.globalName where globals.windowBase == 0:
      globals.windowBase = new(.windowBase, min(version, 2))
    case WaylandInterface.decorationManager.globalName where globals.decorations == 0:
      globals.decorations = new(.decorationManager, 1)
    case WaylandInterface.seat.globalName where seat == nil:
      guard let sink = settings.input else { return }
      let version = min(version, Seat.mostVersion)
      seat = Seat(name: name, object: new(.seat, version), version: version, connection, device, sink)
    default: break
    }
  }

  private func openWindows() throws(WaylandEnd) {
    guard globals.areEnough else { throw WaylandEnd(reason: "lacks wl_compositor, wl_shm or xdg_wm_base") }
    windows = settings.scanouts.map { scanout in
      let title = settings.scanouts.count == 1 ? settings.title : "\(settings.title), screen \(scanout)"
      return WaylandWindow(device, scanout: scanout, title: title, connection, globals)
    }
  }
}

extension String {
  /// What another program says, for a line of the log: short, and nothing that a terminal would act on.
  fileprivate var forLog: String {
    let scalars = unicodeScalars.prefix(200).map { scalar in
      scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) || scalar.properties.isWhitespace ? " " : scalar
    }
    return String(String.UnicodeScalarView(scalars))
  }
}
