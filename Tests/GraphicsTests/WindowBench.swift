// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Windows of a graphics device on some compositor, and what reached its keyboard and pointer.

import Displays
import Foundation
import Graphics
import InputProtocol
import Linux
import Synchronization

final class WindowBench {
  let bench: Bench
  private let stop: Event
  private var thread: Linux.Thread?
  let heard = ViewerBench.Heard()
  let reports = Reports()

  final class Reports: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
  }

  var device: GraphicsDevice { bench.device }

  /// - Parameter compositor: where it listens, or will listen.
  convenience init(_ options: GraphicsOptions = GraphicsOptions(), compositor: String) throws {
    try self.init(options) { () throws(Errno) in
      try UnixSocket.connect(to: compositor, withinMilliseconds: 2000)
    }
  }

  init(
    _ options: GraphicsOptions = GraphicsOptions(), connect: @escaping @Sendable () throws(Errno) -> UnixSocket
  ) throws {
    bench = try Bench(options)
    stop = try Event()
    let (heard, reports) = (heard, reports)
    let settings = WaylandSettings(
      title: "a guest", scanouts: Array(0..<options.scanoutCount), input: { heard.add($0) }, connect: connect,
      report: { reports.add($0) })
    thread = try WindowBench.show(bench.device, settings, stop.file)
  }

  private static func show(
    _ device: GraphicsDevice, _ settings: WaylandSettings, _ stopped: File
  ) throws -> Linux.Thread {
    var display = try WaylandDisplay(device, settings, stopped: stopped)
    return try Linux.Thread(name: "wayland") { display.run() }
  }

  deinit {
    stop.signal()
    if let thread = thread.take() { thread.join() }
  }
}
