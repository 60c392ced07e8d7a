// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A VNC server in front of a graphics device, and what reached its keyboard and pointer.

import Displays
import Foundation
import Graphics
import InputProtocol
import Linux
import Synchronization

final class ViewerBench {
  let bench: Bench
  let path: String
  private let stop: Event
  private var thread: Linux.Thread?
  private static let counter = Atomic<Int>(0)

  final class Heard: Sendable {
    private let reports = Mutex<[[InputEvent]]>([])
    func add(_ report: [InputEvent]) { reports.withLock { $0.append(report) } }
    var all: [[InputEvent]] { reports.withLock { $0 } }
  }
  let heard = Heard()

  var device: GraphicsDevice { bench.device }

  /// - Parameter port: also listens on TCP, where this becomes the port.
  init(
    _ options: GraphicsOptions = GraphicsOptions(), password: String? = nil, scanout: Int = 0, port: inout UInt16
  ) throws {
    bench = try Bench(options)
    path = "/tmp/martlet-vnc-\(getpid())-\(ViewerBench.counter.add(1, ordering: .relaxed).newValue).sock"
    try? FileManager.default.removeItem(atPath: path)
    let socket = try ListeningSocket(path: path, mode: 0o600)
    let internet = try ListeningSocket(address: "127.0.0.1", port: 0)
    port = try internet.port
    let listeners = [
      VNCListener(SharedDescriptor(try socket.file.duplicate()), scanout: scanout),
      VNCListener(SharedDescriptor(try internet.file.duplicate()), scanout: scanout),
    ]
    stop = try Event()
    let heard = heard
    let settings = VNCSettings(name: "a guest", password: password.map { Array($0.utf8) }) { heard.add($0) }
    thread = try ViewerBench.serve(bench.device, listeners, settings, stop.file)
  }

  private static func serve(
    _ device: GraphicsDevice, _ listeners: [VNCListener], _ settings: VNCSettings, _ stopped: File
  ) throws -> Linux.Thread {
    var server = try VNCServer(device, listeners, settings, stopped: stopped)
    return try Linux.Thread(name: "vnc") { server.run() }
  }

  convenience init(
    _ options: GraphicsOptions = GraphicsOptions(), password: String? = nil, scanout: Int = 0
  ) throws {
    var port: UInt16 = 0
    try self.init(options, password: password, scanout: scanout, port: &port)
  }

  deinit {
    stop.signal()
    if let thread = thread.take() { thread.join() }
    try? FileManager.default.removeItem(atPath: path)
  }

  func viewer(version: String = "003.008") throws -> TestViewer {
    let viewer = try TestViewer(path)
    try viewer.enter(version: version)
    return viewer
  }
}
