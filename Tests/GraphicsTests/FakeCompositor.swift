// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A compositor of the tests' own: reads requests after signatures that were taken from wayland.xml and xdg-shell.xml
// by hand, keeps the rules that a compositor ends clients for, and does or leaves what a test wants. It shares nothing
// with room WaylandProtocol.

import Foundation
import Linux
import Support
import Wire

final class FakeCompositor {
  /// name and arguments: n new object, N new object of any interface, o object, u i words, s string, h descriptor.
  private static let requests: [String: [(name: String, arguments: String)]] = [
    "wl_display": [("sync", "n"), ("get_registry", "n")],
    "wl_registry": [("bind", "uN")],
    "wl_compositor": [("create_surface", "n"), ("create_region", "n")],
    "wl_shm": [("create_pool", "nhi")],
    "wl_shm_pool": [("create_buffer", "niiiiu"), ("destroy", ""), ("resize", "i")],
    "wl_buffer": [("destroy", "")],
    "wl_surface": [
      ("destroy", ""), ("attach", "oii"), ("damage", "iiii"), ("frame", "n"), ("set_opaque_region", "o"),
      ("set_input_region", "o"), ("commit", ""),
    ],
    "wl_seat": [("get_pointer", "n"), ("get_keyboard", "n"), ("get_touch", "n"), ("release", "")],
    "wl_pointer": [("set_cursor", "uoii"), ("release", "")],
    "wl_keyboard": [("release", "")],
    "xdg_wm_base": [("destroy", ""), ("create_positioner", "n"), ("get_xdg_surface", "no"), ("pong", "u")],
    "xdg_surface": [
      ("destroy", ""), ("get_toplevel", "n"), ("get_popup", "noo"), ("set_window_geometry", "iiii"),
      ("ack_configure", "u"),
    ],
    "xdg_toplevel": [("destroy", ""), ("set_parent", "o"), ("set_title", "s"), ("set_app_id", "s")],
    "zxdg_decoration_manager_v1": [("destroy", ""), ("get_toplevel_decoration", "no")],
    "zxdg_toplevel_decoration_v1": [("destroy", ""), ("set_mode", "u")],
  ]
  /// What each request's new object is.
  private static let made = [
    "wl_display.sync": "wl_callback", "wl_display.get_registry": "wl_registry",
    "wl_compositor.create_surface": "wl_surface", "wl_shm.create_pool": "wl_shm_pool",
    "wl_shm_pool.create_buffer": "wl_buffer", "wl_surface.frame": "wl_callback", "wl_seat.get_pointer": "wl_pointer",
    "wl_seat.get_keyboard": "wl_keyboard", "xdg_wm_base.get_xdg_surface": "xdg_surface",
    "xdg_surface.get_toplevel": "xdg_toplevel",
    "zxdg_decoration_manager_v1.get_toplevel_decoration": "zxdg_toplevel_decoration_v1",
  ]

  struct Buffer {
    let width: Int
    let height: Int
    let pixels: Segment
    let memory: Mapping
    var isBusy = false
  }

  final class Surface {
    var toplevel: UInt32 = 0
    var windowSurface: UInt32 = 0
    var title = ""
    var attached: UInt32 = 0
    var shown: UInt32 = 0
    var damage: [[Int]] = []
    var callbacks: [UInt32] = []
    var pendingCallbacks: [UInt32] = []
    /// Damage of each commit that had a new buffer.
    var commits: [[[Int]]] = []
    var isConfigured = false
    var isAcknowledged = false
  }

  let path: String
  private let listener: ListeningSocket
  private var client: Client?

  private final class Client {
    let socket: UnixSocket
    init(_ socket: consuming UnixSocket) { self.socket = socket }
  }
  private var incoming: [UInt8] = []
  private var descriptors: [SharedDescriptor] = []
  private var nextObject: UInt32 = 2
  private var freed: Set<UInt32> = []
  private var pools: [UInt32: Mapping] = [:]

  private(set) var objects: [UInt32: String] = [1: "wl_display"]
  private(set) var surfaces: [UInt32: Surface] = [:]
  private(set) var buffers: [UInt32: Buffer] = [:]
  /// "interface.request" of everything that came, and what a real compositor would have ended the client for.
  private(set) var log: [String] = []
  private(set) var violations: [String] = []
  private(set) var pongs: [UInt32] = []
  /// The pointer's surface and hot spot, as last set; nil before.
  private(set) var cursor: (surface: UInt32, x: Int, y: Int)?

  // What a test may want otherwise.
  var globals = [
    ("wl_compositor", 4), ("wl_shm", 1), ("xdg_wm_base", 3), ("wl_seat", 7), ("zxdg_decoration_manager_v1", 1),
    ("wl_output", 3),
  ]
  /// Says at once that a frame was shown, and that the buffer before is free.
  var paces = true
  /// The size in the first configure event; 0 leaves it to the client.
  var firstSize = (width: 0, height: 0, states: [UInt32]())
  private var serial: UInt32 = 100

  init(path: String) throws {
    self.path = path
    try? FileManager.default.removeItem(atPath: path)
    listener = try ListeningSocket(path: path, mode: 0o700)
    try listener.file.setNonBlocking(true)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  // MARK: Being there

  var isConnected: Bool { client != nil }

  /// Serves the client until `condition` holds; throws after a minute, or when the client has gone.
  func serve(until what: String, _ condition: () throws -> Bool) throws {
    let deadline = Date().addingTimeInterval(60)
    while try !condition() {
      guard Date() < deadline else { throw Trouble("not \(what) within a minute; \(log.suffix(20)) \(violations)") }
      try step()
    }
  }

  /// For a while, whatever happens.
  func serve(seconds: Double) throws {
    let end = Date().addingTimeInterval(seconds)
    while Date() < end { try step() }
  }

  /// Ends the connection and forgets the client.
  func disconnect() {
    client?.socket.shutDown()
    client = nil
    (incoming, descriptors, nextObject, freed) = ([], [], 2, [])
    (pools, objects, surfaces, buffers, cursor) = ([:], [1: "wl_display"], [:], [:], nil)
  }

  private func step() throws {
    guard let client else {
      if Poll.wait(for: [.input(listener.file)], timeoutNanoseconds: 5_000_000)[0] {
        self.client = Client(try listener.accept())
      }
      return
    }
    guard Poll.wait(for: [.input(client.socket.file)], timeoutNanoseconds: 5_000_000)[0] else { return }
    var received = ReceivedDescriptors()
    guard let bytes = try client.socket.receiveOnce(atMost: 65536, descriptors: &received) else {
      disconnect()
      return
    }
    while let descriptor = received.takeFirst() { descriptors.append(SharedDescriptor(descriptor)) }
    incoming += bytes
    do {
      while try takeRequest() {}
    } catch let error as Errno where error == Errno(EPIPE) || error == .connectionReset {
      // The client has gone while it was answered.
      disconnect()
    }
  }

  func send(_ object: UInt32, _ opcode: UInt32, _ words: [UInt32] = []) throws {
    try sendBytes(WaylandWords.message(object, opcode, words))
  }

  func sendBytes(_ words: [UInt32]) throws {
    try client?.socket.send(WaylandWords.bytes(words))
  }

  // MARK: Requests

  private struct Request {
    var words: [UInt32] = []
    var text = ""
    var file: SharedDescriptor?
    func int(_ index: Int) -> Int { Int(Int32(bitPattern: words[index])) }
  }

  private func takeRequest() throws -> Bool {
    func word(_ place: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(incoming[place + $1]) << UInt32(8 * $1) } }
    guard incoming.count >= 8 else { return false }
    let (object, opcode, size) = (word(0), Int(word(4) & 0xffff), Int(word(4) >> 16))
    guard incoming.count >= size else { return false }
    guard let interface = objects[object] else { throw Trouble("a request to object \(object), which there is not") }
    guard let table = Self.requests[interface], table.indices.contains(opcode) else {
      throw Trouble("request \(opcode) of \(interface)")
    }
    var request = Request()
    var place = 8
    for argument in table[opcode].arguments {
      switch argument {
      case "h":
        guard !descriptors.isEmpty else { throw Trouble("the descriptor comes after its request") }
        request.file = descriptors.removeFirst()
      case "s", "N":
        let count = Int(word(place))
        guard incoming[place + 3 + count] == 0 else { throw Trouble("a string without its NUL") }
        request.text = String(decoding: incoming[place + 4..<place + 3 + count], as: UTF8.self)
        place += 4 + (count + 3) / 4 * 4
        if argument == "N" {
          request.words += [word(place), word(place + 4)]
          place += 8
        }
      default:
        request.words.append(word(place))
        place += 4
      }
    }
    guard place == size else { throw Trouble("\(interface).\(table[opcode].name) has \(size) bytes, not \(place)") }
    incoming.removeFirst(size)
    let name = "\(interface).\(table[opcode].name)"
    log.append(name)
    if let made = Self.made[name] { adopt(request.words[0], made) }
    try act(object, name, request)
    return true
  }

  /// libwayland's rule: the next number, or one that was given back.
  private func adopt(_ object: UInt32, _ interface: String) {
    if freed.remove(object) == nil {
      if object != nextObject { violations.append("object \(object) made, not \(nextObject)") }
      nextObject = object + 1
    }
    objects[object] = interface
  }

  private func delete(_ object: UInt32) throws {
    objects[object] = nil
    freed.insert(object)
    try send(1, 1, [object])
  }

  private func act(_ object: UInt32, _ name: String, _ request: Request) throws {
    switch name {
    case "wl_display.sync":
      try send(request.words[0], 0, [0])
      try delete(request.words[0])
    case "wl_display.get_registry":
      for (index, global) in globals.enumerated() {
        try send(request.words[0], 0, [UInt32(index + 1)] + WaylandWords.text(global.0) + [UInt32(global.1)])
      }
    case "wl_registry.bind":
      let global = globals[Int(request.words[0]) - 1]
      if request.text != global.0 || request.words[1] > global.1 {
        violations.append("\(request.text) bound as \(request.words[1])")
      }
      adopt(request.words[2], request.text)
      if request.text == "wl_seat" { try send(request.words[2], 0, [3]) }
    case "wl_compositor.create_surface": surfaces[request.words[0]] = Surface()
    case "wl_shm.create_pool":
      pools[request.words[0]] = try Mapping(request.file!.file, byteCount: request.int(1))
    case "wl_shm_pool.create_buffer": createBuffer(pools[object]!, request)
    case "wl_pointer.set_cursor": cursor = (request.words[1], request.int(2), request.int(3))
    case "xdg_wm_base.pong": pongs.append(request.words[0])
    default: try actOnWindow(object, name, request)
    }
    if name.hasSuffix(".destroy") || name.hasSuffix(".release") {
      surfaces[object] = nil
      buffers[object] = nil
      pools[object] = nil
      try delete(object)
    }
  }

  private func createBuffer(_ memory: Mapping, _ request: Request) {
    let (offset, width, height, stride) = (request.int(1), request.int(2), request.int(3), request.int(4))
    if offset + stride * height > memory.byteCount || stride < width * 4 || request.words[5] > 1 {
      violations.append("a buffer outside of its pool")
    }
    buffers[request.words[0]] = Buffer(
      width: width, height: height, pixels: memory.segment.dropFirst(offset).prefix(stride * height), memory: memory)
  }

  private func actOnWindow(_ object: UInt32, _ name: String, _ request: Request) throws {
    switch name {
    case "xdg_wm_base.get_xdg_surface": surfaces[request.words[1]]?.windowSurface = request.words[0]
    case "xdg_surface.get_toplevel":
      surfaces.values.first { $0.windowSurface == object }?.toplevel = request.words[0]
    case "xdg_surface.ack_configure": surfaces.values.first { $0.windowSurface == object }?.isAcknowledged = true
    case "xdg_toplevel.set_title": surfaces.values.first { $0.toplevel == object }?.title = request.text
    case "wl_surface.attach":
      if buffers[request.words[0]]?.isBusy == true { violations.append("a buffer is attached that is in use") }
      surfaces[object]?.attached = request.words[0]
    case "wl_surface.damage": surfaces[object]?.damage.append((0..<4).map { request.int($0) })
    case "wl_surface.frame": surfaces[object]?.pendingCallbacks.append(request.words[0])
    case "wl_surface.commit": if let surface = surfaces[object] { try commit(surface) }
    default: break
    }
  }

  private func commit(_ surface: Surface) throws {
    surface.callbacks += surface.pendingCallbacks
    surface.pendingCallbacks = []
    if surface.attached != 0 {
      if surface.toplevel != 0, !surface.isAcknowledged { violations.append("pixels before the window is configured") }
      let before = surface.shown
      surface.shown = surface.attached
      buffers[surface.shown]?.isBusy = true
      surface.attached = 0
      surface.commits.append(surface.damage)
      surface.damage = []
      if paces, before != surface.shown { try release(before) }
    } else if surface.toplevel != 0, !surface.isConfigured {
      try configure(surface, firstSize.width, firstSize.height, firstSize.states)
    }
    if paces { try finishFrame(surface) }
  }

  // MARK: What compositors do

  func release(_ buffer: UInt32) throws {
    guard buffers[buffer]?.isBusy == true else { return }
    buffers[buffer]?.isBusy = false
    try send(buffer, 0)
  }

  func finishFrame(_ surface: Surface) throws {
    for callback in surface.callbacks {
      try send(callback, 0, [0])
      try delete(callback)
    }
    surface.callbacks = []
  }

  func configure(_ surface: Surface, _ width: Int, _ height: Int, _ states: [UInt32] = []) throws {
    surface.isConfigured = true
    serial += 1
    try send(surface.toplevel, 0, [UInt32(width), UInt32(height), UInt32(states.count * 4)] + states)
    try send(surface.windowSurface, 0, [serial])
  }

  /// The windows, in the order of their objects.
  var windows: [Surface] { surfaces.keys.sorted().compactMap { surfaces[$0] }.filter { $0.toplevel != 0 } }
  var window: Surface? { windows.first }

  func object(_ interface: String) -> UInt32 { objects.first { $0.value == interface }?.key ?? 0 }
  func object(of surface: Surface) -> UInt32 { surfaces.first { $0.value === surface }?.key ?? 0 }

  /// What a surface shows.
  func picture(_ surface: Surface) -> Picture? {
    guard let buffer = buffers[surface.shown] else { return nil }
    let bytes = buffer.pixels.bytes()
    return Picture(width: buffer.width, height: buffer.height) { x, y in
      let start = (y * buffer.width + x) * 4
      return UInt32(bytes[start]) | UInt32(bytes[start + 1]) << 8 | UInt32(bytes[start + 2]) << 16
    }
  }
}
