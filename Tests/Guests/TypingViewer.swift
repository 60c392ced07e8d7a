// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A VNC viewer (RFC 6143) that looks at nothing: it types and points, and knows what a guest's event device has to say
// of that in the numbers of linux/input-event-codes.h, each report with its end. Linux leaves out axes that have not
// moved.

import Foundation
import Support

final class TypingViewer {
  private let stream: FileHandle
  private let width: Int
  private let height: Int

  /// Up to ServerInit, without a password.
  init(_ path: String) throws {
    let stream = try TypingViewer.connect(path)
    func take(_ count: Int) throws -> [UInt8] { try TypingViewer.take(count, from: stream) }
    _ = try take(12)
    try stream.write(contentsOf: Data("RFB 003.008\n".utf8) + [1])
    _ = try take(6)
    try stream.write(contentsOf: [1])
    let start = try take(24)
    self.stream = stream
    width = Int(start[0]) << 8 | Int(start[1])
    height = Int(start[2]) << 8 | Int(start[3])
    _ = try take(Int(start[23]))
  }

  private static func connect(_ path: String) throws -> FileHandle {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let result = unsafe withUnsafePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe Glibc.connect(descriptor, __CONST_SOCKADDR_ARG(__sockaddr__: $0), size)
      }
    }
    guard result == 0 else { throw Trouble("no VNC server at \(path): \(errno)") }
    return FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
  }

  private static func take(_ count: Int, from stream: FileHandle) throws -> [UInt8] {
    var bytes: [UInt8] = []
    while bytes.count < count {
      guard let more = try stream.read(upToCount: count - bytes.count), !more.isEmpty else {
        throw Trouble("the VNC server has closed")
      }
      bytes += more
    }
    return bytes
  }

  // MARK: What is typed

  private func key(_ symbol: UInt16, isDown: Bool) throws {
    try stream.write(contentsOf: [4, isDown ? 1 : 0, 0, 0, 0, 0, UInt8(symbol >> 8), UInt8(symbol & 0xff)])
  }

  private func pointer(_ x: Int, _ y: Int, buttons: UInt8) throws {
    try stream.write(contentsOf: [5, buttons] + [x >> 8, x, y >> 8, y].map { UInt8(truncatingIfNeeded: $0) })
  }

  /// An 'a', a 'B' with shift, a click, a turn of the wheel, another place, F12. Symbols are those of X11.
  func type() throws {
    for isDown in [true, false] { try key(0x61, isDown: isDown) }
    try key(0xffe1, isDown: true)
    for isDown in [true, false] { try key(0x42, isDown: isDown) }
    try key(0xffe1, isDown: false)
    for buttons: UInt8 in [1, 0, 8, 0] { try pointer(639, 399, buttons: buttons) }
    try pointer(100, 200, buttons: 0)
    for isDown in [true, false] { try key(0xffc9, isDown: isDown) }
  }

  /// The whole desktop is 0 to 32767 each way, what lies between is rounded up.
  private static func place(_ x: Int, _ y: Int, in width: Int, _ height: Int) -> [String] {
    let across = (Double(x) * 32767 / Double(width - 1)).rounded(.up)
    let down = (Double(y) * 32767 / Double(height - 1)).rounded(.up)
    return ["3 0 \(Int(across))", "3 1 \(Int(down))"]
  }

  private var typed: [String] {
    func place(_ x: Int, _ y: Int) -> [String] { Self.place(x, y, in: width, height) }
    let reports = [
      ["1 30 1"], ["1 30 0"], ["1 42 1"], ["1 48 1"], ["1 48 0"], ["1 42 0"], place(639, 399) + ["1 272 1"],
      ["1 272 0"],
      ["2 8 1"], place(100, 200), ["1 88 1"], ["1 88 0"],
    ]
    return reports.flatMap { $0 + ["0 0 0"] }
  }

  /// A click in the left upper corner of the second screen of the job's `two`, let go of in the right lower one.
  func point() throws {
    try pointer(0, 0, buttons: 1)
    try pointer(799, 599, buttons: 0)
  }

  /// That screen has 800x600 pixels and shows the picture of the first one further to the right, from 1024 on.
  private static let pointed: [String] = {
    let size = (width: 1024 + 800, height: 768)
    return place(1024, 0, in: size.width, size.height) + ["1 272 1", "0 0 0"]
      + place(1024 + 799, 599, in: size.width, size.height) + ["1 272 0", "0 0 0"]
  }()

  /// What is wrong with what the guest has printed. A key that a slow guest has seen held for long repeats there.
  func problems(in report: GuestReport) -> [String] {
    [("TYPE", typed), ("POINT", Self.pointed)].compactMap { name, expected in
      let start = "event \(name) "
      let events = report.lines.filter { $0.hasPrefix(start) }.map { String($0.dropFirst(start.count)) }
      let seen = events.filter { !($0.hasPrefix("1 ") && $0.hasSuffix(" 2")) && $0 != "0 0 1" }
      return seen == expected ? nil : "the guest's keyboard said of \(name): \(seen), not \(expected)"
    }
  }
}
