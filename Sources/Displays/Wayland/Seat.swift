// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The person in front of the windows: keyboard, pointer, and the picture under the pointer, which is the guest's.

internal import Graphics
internal import InputProtocol
internal import Linux
internal import WaylandProtocol
internal import Wire

final class Seat {
  /// Up to which events are known here: frames and steps of wheels.
  static let mostVersion: UInt32 = 5

  /// The number under which the compositor offers it.
  let name: UInt32
  private let object: UInt32
  private let version: UInt32
  private let connection: WaylandConnection
  private let device: GraphicsDevice
  private let sink: InputSink

  private var keyboard: UInt32 = 0
  private var pointer: UInt32 = 0
  private var input = SeatInput()
  /// Where the pointer is, and what must be said when its cursor is set.
  private(set) var window: WaylandWindow?
  private var enterSerial: UInt32 = 0

  private var cursorSurface: UInt32 = 0
  private var cursorPool: PixelPool?
  private var hasNewCursor = false

  init(
    name: UInt32, object: UInt32, version: UInt32, _ connection: WaylandConnection, _ device: GraphicsDevice,
    _ sink: @escaping InputSink
  ) {
    self.name = name
    self.object = object
    self.version = version
    self.connection = connection
    self.device = device
    self.sink = sink
  }

  func handle(_ object: UInt32, _ event: WaylandEvent, _ windows: [WaylandWindow]) {
    // Others may be of a seat that was taken away.
    guard [self.object, keyboard, pointer].contains(object) else { return }
    switch event {
    case .capabilities(let capabilities): adopt(capabilities)
    case .pointerEnter(let serial, let surface, let x, let y):
      enterSerial = serial
      window = windows.first { $0.surface == surface && surface != 0 }
      hasNewCursor = true
      move(x, y)
    case .pointerLeave:
      report(input.frame() + input.releaseButtons())
      window = nil
    case .motion(let x, let y): move(x, y)
    case .button(let code, let isDown):
      input.button(code, isDown: isDown)
      endFrameOfOldVersion()
    case .axis(let axis, let length):
      input.axis(axis, length)
      endFrameOfOldVersion()
    case .axisDiscrete(let axis, let steps): input.axis(axis, steps: steps)
    case .pointerFrame: report(input.frame())
    case .keyboardLeave: report(input.releaseKeys())
    case .key(let code, let isDown): report(input.key(code, isDown: isDown))
    default: break
    }
  }

  private func adopt(_ capabilities: WaylandCapabilities) {
    if capabilities.contains(.keyboard) != (keyboard != 0) {
      if keyboard == 0 {
        keyboard = connection.make(.keyboard)
        connection.send(.getKeyboard(object, new: keyboard))
      } else {
        if version >= 3 { connection.send(.releaseKeyboard(keyboard)) }
        connection.bury(keyboard)
        keyboard = 0
        report(input.releaseKeys())
      }
    }
    if capabilities.contains(.pointer) != (pointer != 0) {
      if pointer == 0 {
        pointer = connection.make(.pointer)
        connection.send(.getPointer(object, new: pointer))
      } else {
        if version >= 3 { connection.send(.releasePointer(pointer)) }
        connection.bury(pointer)
        pointer = 0
        window = nil
        report(input.frame() + input.releaseButtons())
      }
    }
  }

  private func move(_ x: WaylandFixed, _ y: WaylandFixed) {
    guard let window else { return }
    input.motion(to: window.pixel(x: x, y: y), on: window.desktopPart)
    endFrameOfOldVersion()
  }

  /// Before version 5 each event stands alone.
  private func endFrameOfOldVersion() {
    if version < 5 { report(input.frame()) }
  }

  private func report(_ events: [InputEvent]) {
    if !events.isEmpty { sink(events) }
  }

  /// The window is gone or closed.
  func forget(_ window: WaylandWindow) {
    if self.window === window { self.window = nil }
  }

  /// It is gone: nobody holds its keys any more.
  func leave() {
    report(input.frame() + input.release())
    window = nil
  }

  // MARK: The cursor

  func cursorChanged(on scanout: Int) {
    if window?.scanout == scanout { hasNewCursor = true }
  }

  func release(_ buffer: UInt32) {
    cursorPool?.release(buffer)
  }

  /// Shows the guest's cursor where the pointer is, if it is another than before.
  func present(_ globals: WaylandGlobals) {
    guard hasNewCursor, pointer != 0, let window else { return }
    let cursor = device.cursor(of: window.scanout)
    let side = Cursor.size
    guard cursor.isVisible, cursor.image.count == side * side * 4 else {
      // The guest draws its own, or has none.
      connection.send(.setCursor(pointer, serial: enterSerial, surface: 0, hotX: 0, hotY: 0))
      hasNewCursor = false
      return
    }
    if cursorSurface == 0 {
      cursorSurface = connection.make(.surface)
      connection.send(.createSurface(globals.compositor, new: cursorSurface))
    }
    if cursorPool == nil {
      // Guests' cursors are premultiplied, as those of Wayland.
      cursorPool = try? PixelPool(
        connection, shm: globals.shm, width: side, height: side, format: WaylandFormat.argb8888)
    }
    guard let buffer = cursorPool?.take() else { return }
    for (index, byte) in cursor.image.enumerated() { buffer.pixels.store(byte, at: index) }
    connection.send(.attach(cursorSurface, buffer: buffer.object))
    connection.send(.damage(cursorSurface, x: 0, y: 0, width: side, height: side))
    connection.send(.commit(cursorSurface))
    connection.send(
      .setCursor(
        pointer, serial: enterSerial, surface: cursorSurface, hotX: min(max(cursor.hotX, 0), side - 1),
        hotY: min(max(cursor.hotY, 0), side - 1)))
    hasNewCursor = false
  }
}
