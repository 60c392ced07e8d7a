// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// martlet-blk as a person starts it, in its sandbox and behind its filter, for tests of what only the program as a
// whole can show. Disk is the device in this process.

import BlockProtocol
import Foundation
import Frontend
import Linux
import Support
import Testing
import VirtioProtocol
import Wire

/// How the program does requests.
struct RunningWay: Sendable, CustomTestStringConvertible {
  let engine: String
  let direct: String
  var testDescription: String { "\(engine), direct \(direct)" }
  var options: [String] { ["--engine=\(engine)", "--direct=\(direct)"] }

  static let all = ["auto", "threads"].flatMap { engine in
    ["off", "on"].map { RunningWay(engine: engine, direct: $0) }
  }
}

final class RunningVolume {
  let program: RunningProgram
  private let place: Workplace
  /// A queue works as long as its driver is there.
  private var drivers: [VhostUserDriver] = []

  /// Returns when it serves.
  init(_ image: String, _ options: [String]) throws {
    place = try Workplace()
    let program = try RunningProgram(
      [BuildFolder.program("martlet-blk"), "--blk-file=\(image)", "--socket-path=\(place.file("s"))"] + options,
      in: place)
    self.program = program
    try eventually("it serves: \(program.log)") {
      program.log.contains("] serving ") || !program.isRunning
    }
    try #require(program.isRunning, "\(program.log)")
  }

  /// A driver that takes what it is offered, and stays.
  func attach(
    queues: Int = 1, queueSize: Int = 128, memoryMiB: Int = 16, features: VirtioFeatures = Disk.everything
  ) throws -> VhostUserDriver {
    var wishes = DriverWishes()
    wishes.queueCount = queues
    wishes.queueSize = queueSize
    wishes.features = features
    let driver = try VhostUserDriver(
      try FrontendConnection(path: place.file("s")), ram: try GuestRAM(byteCount: memoryMiB << 20), wishes: wishes)
    // As every frontend that begins: who does not ask comes back (ConfigurationTests).
    _ = try driver.config(count: BlockConfig.byteCount)
    try driver.start()
    drivers.append(driver)
    return driver
  }

  var log: String { program.log }

  /// Ends it as a service manager does.
  func end() throws {
    program.send(SIGTERM)
    let outcome = try program.waitBlocking()
    #expect(outcome.code == 0, "\(outcome.errors)")
  }

  /// What it says when it refuses to serve: one sentence.
  static func refusal(_ image: String, _ options: [String]) throws -> String {
    let place = try Workplace()
    let outcome = try RunningProgram(
      [BuildFolder.program("martlet-blk"), "--blk-file=\(image)", "--socket-path=\(place.file("s"))"] + options,
      in: place
    ).waitBlocking()
    #expect(outcome.code == 1 && outcome.errorLines.count == 1 && !place.exists("s"), "\(outcome.errors)")
    return outcome.errors
  }
}
