// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import FoundationXML
import Testing
import WaylandProtocol

/// Room WaylandProtocol against the protocol's own description: opcodes are places in wayland.xml and its kin,
/// arguments are written as their signatures say, by an encoder that knows nothing of the room.
@Suite struct WaylandTests {
  // MARK: Requests

  static let requests: [(WaylandRequest, String, [Argument])] = [
    (.sync(new: 3), "1 wl_display.sync", [3]), (.getRegistry(new: 2), "1 wl_display.get_registry", [2]),
    (
      .bind(2, name: 7, interface: "wl_shm", version: 1, new: 5), "2 wl_registry.bind", [7, "wl_shm", 1, 5]
    ),
    (.createPool(5, new: 6, byteCount: 4096), "5 wl_shm.create_pool", [6, 4096]),
    (
      .createBuffer(6, new: 7, offset: 64, width: 10, height: 20, stride: 40, format: WaylandFormat.xrgb8888),
      "6 wl_shm_pool.create_buffer", [7, 64, 10, 20, 40, 1]
    ),
    (.destroyPool(6), "6 wl_shm_pool.destroy", []), (.destroyBuffer(7), "7 wl_buffer.destroy", []),
    (.createSurface(4, new: 8), "4 wl_compositor.create_surface", [8]),
    (.destroySurface(8), "8 wl_surface.destroy", []), (.attach(8, buffer: 7), "8 wl_surface.attach", [7, 0, 0]),
    (.damage(8, x: -1, y: 2, width: 3, height: 4), "8 wl_surface.damage", [-1, 2, 3, 4]),
    (.frame(8, new: 9), "8 wl_surface.frame", [9]), (.commit(8), "8 wl_surface.commit", []),
    (.getWindowSurface(10, new: 11, surface: 8), "10 xdg_wm_base.get_xdg_surface", [11, 8]),
    (.pong(10, serial: 0xffff_fffe), "10 xdg_wm_base.pong", [0xffff_fffe]),
    (.destroyWindowSurface(11), "11 xdg_surface.destroy", []),
    (.getToplevel(11, new: 12), "11 xdg_surface.get_toplevel", [12]),
    (.acknowledge(11, serial: 33), "11 xdg_surface.ack_configure", [33]),
    (.destroyToplevel(12), "12 xdg_toplevel.destroy", []),
    (.setTitle(12, "fünf"), "12 xdg_toplevel.set_title", ["fünf"]),
    (.setTitle(12, "abc"), "12 xdg_toplevel.set_title", ["abc"]),
    (.setApplication(12, ""), "12 xdg_toplevel.set_app_id", [""]),
    (
      .getDecoration(13, new: 14, toplevel: 12), "13 zxdg_decoration_manager_v1.get_toplevel_decoration", [14, 12]
    ),
    (.destroyDecoration(14), "14 zxdg_toplevel_decoration_v1.destroy", []),
    (.decorateByCompositor(14), "14 zxdg_toplevel_decoration_v1.set_mode", [2]),
    (.getPointer(15, new: 16), "15 wl_seat.get_pointer", [16]),
    (.getKeyboard(15, new: 17), "15 wl_seat.get_keyboard", [17]),
    (.setCursor(16, serial: 5, surface: 0, hotX: 6, hotY: 7), "16 wl_pointer.set_cursor", [5, 0, 6, 7]),
    (.releasePointer(16), "16 wl_pointer.release", []), (.releaseKeyboard(17), "17 wl_keyboard.release", []),
  ]

  @Test(.enabled(if: Description.isThere, Description.needs), arguments: requests.indices)
  func requestsAreWhatTheDescriptionSays(index: Int) throws {
    let (request, name, arguments) = Self.requests[index]
    let message = try Description.standard.encode(name, arguments, isEvent: false)
    #expect(request.bytes == message, "\(name)")
  }

  // MARK: Events

  static let events: [(String, [Argument], WaylandInterface, WaylandEvent)] = [
    (
      "1 wl_display.error", [8, 3, "bad"], .display, .error(object: 8, code: 3, text: "bad")
    ),
    ("1 wl_display.delete_id", [9], .display, .deleteID(9)),
    (
      "2 wl_registry.global", [4, "wl_seat", 7], .registry, .global(name: 4, interface: "wl_seat", version: 7)
    ),
    ("2 wl_registry.global_remove", [4], .registry, .globalRemoved(name: 4)),
    ("3 wl_callback.done", [55], .callback, .done), ("7 wl_buffer.release", [], .buffer, .release),
    ("5 wl_shm.format", [1], .shm, .other), ("8 wl_surface.enter", [20], .surface, .other),
    ("10 xdg_wm_base.ping", [77], .windowBase, .ping(serial: 77)),
    ("11 xdg_surface.configure", [78], .windowSurface, .configure(serial: 78)),
    (
      "12 xdg_toplevel.configure", [800, 600, .states(["activated", "resizing"])], .toplevel,
      .configureToplevel(width: 800, height: 600, isFixed: false)
    ),
    (
      "12 xdg_toplevel.configure", [0, 0, .states([])], .toplevel,
      .configureToplevel(width: 0, height: 0, isFixed: false)
    ),
    ("12 xdg_toplevel.close", [], .toplevel, .close),
    ("12 xdg_toplevel.configure_bounds", [100, 200], .toplevel, .other),
    ("14 zxdg_toplevel_decoration_v1.configure", [2], .decoration, .other),
    ("15 wl_seat.capabilities", [3], .seat, .capabilities([.pointer, .keyboard])),
    ("15 wl_seat.name", ["seat0"], .seat, .other),
    (
      "16 wl_pointer.enter", [5, 8, -256, 384], .pointer,
      .pointerEnter(serial: 5, surface: 8, x: WaylandFixed(raw: -256), y: WaylandFixed(raw: 384))
    ),
    ("16 wl_pointer.leave", [6, 8], .pointer, .pointerLeave),
    ("16 wl_pointer.motion", [1, 2, 3], .pointer, .motion(x: WaylandFixed(raw: 2), y: WaylandFixed(raw: 3))),
    ("16 wl_pointer.button", [1, 2, 0x110, 1], .pointer, .button(code: 0x110, isDown: true)),
    ("16 wl_pointer.axis", [1, 1, 2560], .pointer, .axis(.horizontal, WaylandFixed(raw: 2560))),
    ("16 wl_pointer.frame", [], .pointer, .pointerFrame),
    ("16 wl_pointer.axis_source", [0], .pointer, .other), ("16 wl_pointer.axis_stop", [1, 0], .pointer, .other),
    ("16 wl_pointer.axis_discrete", [0, -2], .pointer, .axisDiscrete(.vertical, steps: -2)),
    ("17 wl_keyboard.keymap", [1, 4096], .keyboard, .other),
    ("17 wl_keyboard.leave", [4, 8], .keyboard, .keyboardLeave),
    ("17 wl_keyboard.key", [4, 0, 30, 1], .keyboard, .key(code: 30, isDown: true)),
    ("17 wl_keyboard.modifiers", [4, 0, 0, 0, 0], .keyboard, .other),
    ("17 wl_keyboard.repeat_info", [25, 600], .keyboard, .other),
  ]

  @Test(.enabled(if: Description.isThere, Description.needs), arguments: events.indices)
  func eventsAreReadAsTheDescriptionSays(index: Int) throws {
    let (name, arguments, interface, event) = Self.events[index]
    let bytes = try Description.standard.encode(name, arguments, isEvent: true)
    guard case .message(let message, let byteCount) = WaylandMessage.parse(bytes[...]) else {
      Issue.record("\(name) is no message")
      return
    }
    #expect(byteCount == bytes.count)
    #expect(WaylandEvent.parse(message, of: interface) == event, "\(name)")
    // Cut short anywhere, it is incomplete; with its arguments cut off, it is nothing or needs none.
    for count in 0..<bytes.count { #expect(WaylandMessage.parse(bytes.prefix(count)) == .incomplete) }
  }

  @Test(
    .enabled(if: Description.isThere, Description.needs),
    arguments: ["maximized", "fullscreen", "tiled_left", "tiled_right", "tiled_top", "tiled_bottom"])
  func statesThatFixTheSizeAreKnown(state: String) throws {
    let bytes = try Description.standard.encode(
      "12 xdg_toplevel.configure", [10, 20, .states(["activated", state])], isEvent: true)
    guard case .message(let message, _) = WaylandMessage.parse(bytes[...]) else { return }
    #expect(
      WaylandEvent.parse(message, of: .toplevel) == .configureToplevel(width: 10, height: 20, isFixed: true))
  }

  // MARK: What needs no description

  @Test func lengthsThatNoMessageHasAreNonsense() {
    for size in [UInt8(0), 4, 7, 9, 10] {
      #expect(WaylandMessage.parse([1, 0, 0, 0, 0, 0, size, 0]) == .nonsense)
    }
    #expect(
      WaylandMessage.parse([1, 0, 0, 0, 5, 0, 8, 0, 9])
        == .message(
          WaylandMessage(object: 1, opcode: 5, arguments: []), byteCount: 8))
  }

  @Test func argumentsThatEndEarlyAreNonsense() {
    // wl_registry.global with a name, and a string of 8 bytes of which 4 are there; of 0xffffffff bytes; without NUL.
    for length in [[8, 0, 0, 0], [0xff, 0xff, 0xff, 0xff], [4, 0, 0, 0]] as [[UInt8]] {
      let message = WaylandMessage(object: 2, opcode: 0, arguments: ([1, 0, 0, 0] + length + [65, 66, 67, 68])[...])
      #expect(WaylandEvent.parse(message, of: .registry) == nil)
    }
    for interface in [WaylandInterface.callback, .windowBase, .windowSurface, .seat, .registry, .display, .toplevel] {
      #expect(WaylandEvent.parse(WaylandMessage(object: 2, opcode: 0, arguments: []), of: interface) == nil)
    }
  }

  @Test func placesAreRoundedToTheLeft() {
    #expect([0, 255, 256, -1, -256].map { WaylandFixed(raw: $0).whole } == [0, 0, 1, -1, -1])
  }
}

/// What a test gives a message: words, a text, or states of a window by their names.
enum Argument: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral {
  case word(Int64)
  case text(String)
  case states([String])

  init(integerLiteral value: Int64) { self = .word(value) }
  init(stringLiteral value: String) { self = .text(value) }
}

/// wayland.xml, xdg-shell.xml and xdg-decoration-unstable-v1.xml as the system has them.
private final class Description: NSObject, XMLParserDelegate {
  private static let files = [
    "/usr/share/wayland/wayland.xml", "/usr/share/wayland-protocols/stable/xdg-shell/xdg-shell.xml",
    "/usr/share/wayland-protocols/unstable/xdg-decoration/xdg-decoration-unstable-v1.xml",
  ]
  static let isThere = files.allSatisfy { FileManager.default.fileExists(atPath: $0) }
  static let needs: Comment = "needs the protocol's description (Debian's libwayland-dev and wayland-protocols)"

  struct Trouble: Error { let what: String }

  static var standard: Description {
    get throws {
      let description = Description()
      for file in files {
        guard let parser = XMLParser(contentsOf: URL(filePath: file)) else { throw Trouble(what: file) }
        parser.delegate = description
        guard parser.parse() else { throw Trouble(what: file) }
      }
      return description
    }
  }

  /// By interface: messages in their order, with the types of their arguments.
  private var requests: [String: [(name: String, arguments: [String])]] = [:]
  private var events: [String: [(name: String, arguments: [String])]] = [:]
  private var states: [String: UInt32] = [:]
  private var interface = ""
  private var enumeration = ""
  private var isEvent = false

  func parser(
    _ parser: XMLParser, didStartElement element: String, namespaceURI: String?, qualifiedName: String?,
    attributes: [String: String]
  ) {
    let name = attributes["name"] ?? ""
    switch element {
    case "interface": interface = name
    case "request":
      isEvent = false
      requests[interface, default: []].append((name, []))
    case "event":
      isEvent = true
      events[interface, default: []].append((name, []))
    case "arg":
      let type = attributes["type"] ?? ""
      // A new object of any interface says which, and in which version.
      let types = type == "new_id" && attributes["interface"] == nil ? ["string", "uint", "new_id"] : [type]
      if isEvent {
        events[interface]![events[interface]!.count - 1].arguments += types
      } else {
        requests[interface]![requests[interface]!.count - 1].arguments += types
      }
    case "enum": enumeration = name
    case "entry":
      if interface == "xdg_toplevel", enumeration == "state" { states[name] = UInt32(attributes["value"] ?? "") }
    default: break
    }
  }

  /// - Parameter name: "object interface.message".
  func encode(_ name: String, _ arguments: [Argument], isEvent: Bool) throws -> [UInt8] {
    let parts = name.split { $0 == " " || $0 == "." }.map(String.init)
    let table = (isEvent ? events : requests)[parts[1]] ?? []
    guard let opcode = table.firstIndex(where: { $0.name == parts[2] }) else { throw Trouble(what: name) }
    // Descriptors are not among the bytes.
    let types = table[opcode].arguments.filter { $0 != "fd" }
    guard types.count == arguments.count else { throw Trouble(what: "\(name) has \(types)") }
    var words: [UInt32] = []
    for (type, argument) in zip(types, arguments) {
      switch (type, argument) {
      case ("string", .text(let text)):
        var bytes = Array(text.utf8) + [0]
        words.append(UInt32(bytes.count))
        while bytes.count % 4 != 0 { bytes.append(0) }
        for start in stride(from: 0, to: bytes.count, by: 4) {
          words.append(unsafe bytes[start..<start + 4].withUnsafeBytes { unsafe $0.loadUnaligned(as: UInt32.self) })
        }
      case ("array", .states(let names)):
        words += [UInt32(names.count * 4)] + names.map { states[$0]! }
      case ("int", .word(let value)), ("uint", .word(let value)), ("object", .word(let value)),
        ("new_id", .word(let value)), ("fixed", .word(let value)):
        words.append(UInt32(truncatingIfNeeded: value))
      default: throw Trouble(what: "\(name): \(type) is no \(argument)")
      }
    }
    let all = [UInt32(parts[0])!, UInt32(opcode) | UInt32(8 + words.count * 4) << 16] + words
    return all.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) } }
  }
}
