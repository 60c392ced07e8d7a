// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a compositor says. Events of later versions, and those that nobody here needs, are `other`: their arguments are
// not looked at.

/// What an object of the client's is.
public enum WaylandInterface: Sendable {
  case display
  case registry
  case callback
  case compositor
  case shm
  case shmPool
  case buffer
  case surface
  case seat
  case pointer
  case keyboard
  case windowBase
  case windowSurface
  case toplevel
  case decorationManager
  case decoration

  /// The name under which a compositor offers it; nil for what others make.
  public var globalName: String? {
    switch self {
    case .compositor: "wl_compositor"
    case .shm: "wl_shm"
    case .seat: "wl_seat"
    case .windowBase: "xdg_wm_base"
    case .decorationManager: "zxdg_decoration_manager_v1"
    default: nil
    }
  }
}

public enum WaylandEvent: Equatable, Sendable {
  // wl_display
  case error(object: UInt32, code: UInt32, text: String)
  case deleteID(UInt32)
  // wl_registry
  case global(name: UInt32, interface: String, version: UInt32)
  case globalRemoved(name: UInt32)
  // wl_callback
  case done
  // wl_buffer
  case release
  // xdg_wm_base, xdg_surface, xdg_toplevel
  case ping(serial: UInt32)
  case configure(serial: UInt32)
  case configureToplevel(width: Int32, height: Int32, isFixed: Bool)
  case close
  // wl_seat
  case capabilities(WaylandCapabilities)
  // wl_pointer
  case pointerEnter(serial: UInt32, surface: UInt32, x: WaylandFixed, y: WaylandFixed)
  case pointerLeave
  case motion(x: WaylandFixed, y: WaylandFixed)
  case button(code: UInt32, isDown: Bool)
  case axis(WaylandAxis, WaylandFixed)
  case axisDiscrete(WaylandAxis, steps: Int32)
  /// Ends what belongs together, from version 5 of wl_seat on.
  case pointerFrame
  // wl_keyboard
  case keyboardLeave
  case key(code: UInt32, isDown: Bool)
  case other
}

/// wl_seat.capability
public struct WaylandCapabilities: OptionSet, Sendable {
  public let rawValue: UInt32

  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  public static let pointer = WaylandCapabilities(rawValue: 1)
  public static let keyboard = WaylandCapabilities(rawValue: 2)
}

/// wl_pointer.axis
public enum WaylandAxis: UInt32, Sendable {
  /// Positive is down.
  case vertical = 0
  /// Positive is to the right.
  case horizontal = 1
}

extension WaylandEvent {
  /// Nil for arguments that the event cannot have, and for events of objects that have none in any version.
  public static func parse(_ message: WaylandMessage, of interface: WaylandInterface) -> WaylandEvent? {
    var reader = WaylandReader(message.arguments)
    switch interface {
    case .display: return display(message.opcode, &reader)
    case .registry: return registry(message.opcode, &reader)
    case .callback:
      guard message.opcode == 0, reader.uint() != nil else { return nil }
      return .done
    case .buffer: return message.opcode == 0 ? .release : nil
    case .windowBase, .windowSurface, .toplevel: return window(message.opcode, interface, &reader)
    case .seat:
      guard message.opcode == 0 else { return .other }
      return reader.uint().map { .capabilities(WaylandCapabilities(rawValue: $0)) }
    case .pointer: return pointer(message.opcode, &reader)
    case .keyboard: return keyboard(message.opcode, &reader)
    // wl_surface.enter, wl_shm.format, zxdg_toplevel_decoration_v1.configure and their like.
    case .surface, .shm, .decoration: return .other
    case .compositor, .shmPool, .decorationManager: return nil
    }
  }

  private static func display(_ opcode: UInt16, _ reader: inout WaylandReader) -> WaylandEvent? {
    switch opcode {
    case 0:
      guard let object = reader.uint(), let code = reader.uint(), let text = reader.string() else { return nil }
      return .error(object: object, code: code, text: text)
    case 1: return reader.uint().map { .deleteID($0) }
    default: return nil
    }
  }

  private static func registry(_ opcode: UInt16, _ reader: inout WaylandReader) -> WaylandEvent? {
    guard let name = reader.uint() else { return nil }
    switch opcode {
    case 0:
      guard let interface = reader.string(), let version = reader.uint() else { return nil }
      return .global(name: name, interface: interface, version: version)
    case 1: return .globalRemoved(name: name)
    default: return nil
    }
  }

  private static func window(
    _ opcode: UInt16, _ interface: WaylandInterface, _ reader: inout WaylandReader
  ) -> WaylandEvent? {
    switch (interface, opcode) {
    case (.windowBase, 0): return reader.uint().map { .ping(serial: $0) }
    case (.windowSurface, 0): return reader.uint().map { .configure(serial: $0) }
    case (.toplevel, 0):
      guard let width = reader.int(), let height = reader.int(), let states = reader.array() else { return nil }
      var list = WaylandReader(states)
      var isFixed = false
      while let state = list.uint() { isFixed = isFixed || fixingStates.contains(state) }
      return .configureToplevel(width: width, height: height, isFixed: isFixed)
    case (.toplevel, 1): return .close
    default: return .other
    }
  }

  /// xdg_toplevel.state in which the window must have the size that it is told: maximized, fullscreen, tiled at one of
  /// four edges. In others (resizing, activated) that size is the largest one.
  private static let fixingStates: Set<UInt32> = [1, 2, 5, 6, 7, 8]

  private static func pointer(_ opcode: UInt16, _ reader: inout WaylandReader) -> WaylandEvent? {
    switch opcode {
    case 0:
      guard let serial = reader.uint(), let surface = reader.uint(), let x = reader.fixed(), let y = reader.fixed()
      else { return nil }
      return .pointerEnter(serial: serial, surface: surface, x: x, y: y)
    case 1: return .pointerLeave
    case 2:
      guard reader.uint() != nil, let x = reader.fixed(), let y = reader.fixed() else { return nil }
      return .motion(x: x, y: y)
    case 3:
      guard reader.uint() != nil, reader.uint() != nil, let code = reader.uint(), let state = reader.uint() else {
        return nil
      }
      return .button(code: code, isDown: state != 0)
    case 4:
      guard reader.uint() != nil, let axis = reader.uint(), let value = reader.fixed() else { return nil }
      return WaylandAxis(rawValue: axis).map { .axis($0, value) } ?? .other
    case 5: return .pointerFrame
    case 8:
      guard let axis = reader.uint(), let steps = reader.int() else { return nil }
      return WaylandAxis(rawValue: axis).map { .axisDiscrete($0, steps: steps) } ?? .other
    default: return .other
    }
  }

  private static func keyboard(_ opcode: UInt16, _ reader: inout WaylandReader) -> WaylandEvent? {
    switch opcode {
    case 2: return .keyboardLeave
    case 3:
      guard reader.uint() != nil, reader.uint() != nil, let code = reader.uint(), let state = reader.uint() else {
        return nil
      }
      // 2 repeats a key that is down: guests make repeats of their own.
      return state > 1 ? .other : .key(code: code, isDown: state == 1)
    // The keymap's descriptor is closed by whoever received it: guests have keymaps of their own.
    default: return .other
    }
  }
}
