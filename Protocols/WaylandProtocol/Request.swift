// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a client says: the requests that a window, its pixels and its cursor need, with the opcodes of wayland.xml and
// of wayland-protocols' stable/xdg-shell and unstable/xdg-decoration. A request whose name has "new" in an argument
// makes the object of that number.

/// One request, and whether a descriptor goes with it.
public struct WaylandRequest: Equatable, Sendable {
  public let bytes: [UInt8]

  enum Argument {
    /// Also of an object; 0 is none.
    case uint(UInt32)
    case int(Int)
    case string(String)
  }

  init(_ object: UInt32, _ opcode: UInt16, _ arguments: Argument...) {
    var bytes: [UInt8] = []
    func append(_ word: UInt32) {
      for shift in [UInt32(0), 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
    }
    append(object)
    append(0)
    for argument in arguments {
      switch argument {
      case .uint(let value): append(value)
      case .int(let value): append(UInt32(bitPattern: Int32(clamping: value)))
      case .string(let text):
        // With its NUL, filled to whole words.
        append(UInt32(text.utf8.count + 1))
        bytes += text.utf8
        repeat { bytes.append(0) } while bytes.count % 4 != 0
      }
    }
    precondition(bytes.count <= WaylandMessage.mostBytes, "texts are short")
    let size = UInt16(bytes.count)
    bytes.replaceSubrange(
      4..<8,
      with: [opcode, size].flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] })
    self.bytes = bytes
  }
}

/// Objects that the protocol knows by number.
public enum WaylandObject {
  /// wl_display is there from the start.
  public static let display: UInt32 = 1
  /// Where numbers begin that the compositor gives.
  public static let firstOfCompositor: UInt32 = 0xff00_0000
}

// MARK: wl_display, wl_registry

extension WaylandRequest {
  public static func sync(new callback: UInt32) -> Self { Self(WaylandObject.display, 0, .uint(callback)) }

  public static func getRegistry(new registry: UInt32) -> Self { Self(WaylandObject.display, 1, .uint(registry)) }

  /// The one request whose new object says what it is.
  public static func bind(
    _ registry: UInt32, name: UInt32, interface: String, version: UInt32, new object: UInt32
  ) -> Self {
    Self(registry, 0, .uint(name), .string(interface), .uint(version), .uint(object))
  }
}

// MARK: Pixels: wl_shm, wl_shm_pool, wl_buffer

/// wl_shm.format: the two that every compositor has.
public enum WaylandFormat {
  /// Alpha is premultiplied.
  public static let argb8888: UInt32 = 0
  public static let xrgb8888: UInt32 = 1
}

extension WaylandRequest {
  /// The memory's descriptor goes with it.
  public static func createPool(_ shm: UInt32, new pool: UInt32, byteCount: Int) -> Self {
    Self(shm, 0, .uint(pool), .int(byteCount))
  }

  public static func createBuffer(
    _ pool: UInt32, new buffer: UInt32, offset: Int, width: Int, height: Int, stride: Int, format: UInt32
  ) -> Self {
    Self(pool, 0, .uint(buffer), .int(offset), .int(width), .int(height), .int(stride), .uint(format))
  }

  /// Buffers keep its memory.
  public static func destroyPool(_ pool: UInt32) -> Self { Self(pool, 1) }

  public static func destroyBuffer(_ buffer: UInt32) -> Self { Self(buffer, 0) }
}

// MARK: wl_compositor, wl_surface

extension WaylandRequest {
  public static func createSurface(_ compositor: UInt32, new surface: UInt32) -> Self {
    Self(compositor, 0, .uint(surface))
  }

  public static func destroySurface(_ surface: UInt32) -> Self { Self(surface, 0) }

  public static func attach(_ surface: UInt32, buffer: UInt32) -> Self {
    Self(surface, 1, .uint(buffer), .int(0), .int(0))
  }

  /// In the surface's coordinates, which are the buffer's where nothing was scaled.
  public static func damage(_ surface: UInt32, x: Int, y: Int, width: Int, height: Int) -> Self {
    Self(surface, 2, .int(x), .int(y), .int(width), .int(height))
  }

  public static func frame(_ surface: UInt32, new callback: UInt32) -> Self { Self(surface, 3, .uint(callback)) }

  public static func commit(_ surface: UInt32) -> Self { Self(surface, 6) }
}

// MARK: xdg_wm_base, xdg_surface, xdg_toplevel, zxdg_decoration_manager_v1

extension WaylandRequest {
  public static func getWindowSurface(_ base: UInt32, new windowSurface: UInt32, surface: UInt32) -> Self {
    Self(base, 2, .uint(windowSurface), .uint(surface))
  }

  public static func pong(_ base: UInt32, serial: UInt32) -> Self { Self(base, 3, .uint(serial)) }

  public static func destroyWindowSurface(_ windowSurface: UInt32) -> Self { Self(windowSurface, 0) }

  public static func getToplevel(_ windowSurface: UInt32, new toplevel: UInt32) -> Self {
    Self(windowSurface, 1, .uint(toplevel))
  }

  public static func acknowledge(_ windowSurface: UInt32, serial: UInt32) -> Self {
    Self(windowSurface, 4, .uint(serial))
  }

  public static func destroyToplevel(_ toplevel: UInt32) -> Self { Self(toplevel, 0) }

  public static func setTitle(_ toplevel: UInt32, _ title: String) -> Self { Self(toplevel, 2, .string(title)) }

  public static func setApplication(_ toplevel: UInt32, _ name: String) -> Self { Self(toplevel, 3, .string(name)) }

  public static func getDecoration(_ manager: UInt32, new decoration: UInt32, toplevel: UInt32) -> Self {
    Self(manager, 1, .uint(decoration), .uint(toplevel))
  }

  public static func destroyDecoration(_ decoration: UInt32) -> Self { Self(decoration, 0) }

  /// The compositor shall draw the frame (mode 2, server_side).
  public static func decorateByCompositor(_ decoration: UInt32) -> Self { Self(decoration, 1, .uint(2)) }
}

// MARK: wl_seat, wl_pointer, wl_keyboard

extension WaylandRequest {
  public static func getPointer(_ seat: UInt32, new pointer: UInt32) -> Self { Self(seat, 0, .uint(pointer)) }

  public static func getKeyboard(_ seat: UInt32, new keyboard: UInt32) -> Self { Self(seat, 1, .uint(keyboard)) }

  /// From version 5 on.
  public static func releaseSeat(_ seat: UInt32) -> Self { Self(seat, 3) }

  /// No surface: no cursor.
  public static func setCursor(_ pointer: UInt32, serial: UInt32, surface: UInt32, hotX: Int, hotY: Int) -> Self {
    Self(pointer, 0, .uint(serial), .uint(surface), .int(hotX), .int(hotY))
  }

  /// From version 3 on.
  public static func releasePointer(_ pointer: UInt32) -> Self { Self(pointer, 1) }

  /// From version 3 on.
  public static func releaseKeyboard(_ keyboard: UInt32) -> Self { Self(keyboard, 0) }
}
