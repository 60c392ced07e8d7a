// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Frontend
import GPUProtocol
import Graphics
import Linux
import Support
import Testing

/// What windows cost and what they do when something cannot be had. Invariants: nothing of the guest's is kept that the
/// frontend has taken back; what was refused is tried again, without anybody's doing; no log grows by that.
@Suite(.timeLimit(.minutes(30)))
struct WindowLimitTests {
  private static let picture = Picture.noise(width: 100, height: 60)

  /// How often the guest's memory is mapped in this process, which is the driver too.
  private static func mappingCount(_ bench: Bench) throws -> Int {
    let region = try #require(bench.ram.regions.first)
    let number = " \(try region.file.status().inode) "
    return try String(contentsOfFile: "/proc/self/maps", encoding: .utf8).split(separator: "\n").count {
      $0.contains(number)
    }
  }

  @Test func memoryThatWasReplacedIsNotKeptForTheWindow() throws {
    let place = try Workplace()
    let compositor = try FakeCompositor(path: place.file("wayland"))
    let bench = try WindowBench(compositor: compositor.path)
    _ = try bench.bench.showBlob(Self.picture, id: 1)
    try compositor.serve(until: "shown") { compositor.window.flatMap { compositor.picture($0) } == Self.picture }
    let before = try Self.mappingCount(bench.bench)
    try #require(before >= 2, "the driver's and the device's")
    // The same memory again, as after a plug: the guest draws nothing meanwhile.
    try bench.bench.driver.connection.setMemoryTable(bench.bench.ram, needReply: true)
    #expect(try bench.bench.client.send(GPUControlHeader(.getDisplayInfo)) == .okDisplayInfo)
    #expect(try eventually { try Self.mappingCount(bench.bench) == before })
    // And what is shown from then on is in the new one.
    #expect(try bench.bench.client.flush(1, rectangle(0, 0, 100, 60)) == .okNoData)
    try compositor.serve(until: "shown again") { (compositor.window?.commits.count ?? 0) > 1 }
    #expect(compositor.window.flatMap { compositor.picture($0) } == Self.picture)
  }

  /// In a process of its own, whose descriptors run out.
  @Test func buffersThatCouldNotBeMadeAreMadeLater() async {
    await #expect(processExitsWith: .success) {
      let place = try Workplace()
      let compositor = try FakeCompositor(path: place.file("wayland"))
      let picture = Picture.noise(width: 100, height: 60)
      let bench = try WindowBench(compositor: compositor.path)
      let buffers = try bench.bench.allocate(picture)
      try compositor.serve(until: "bound") { compositor.log.contains { $0.contains("get_keyboard") } }
      // Some more than are open, and then no more.
      try DescriptorLimit.set(UInt64(SharedDescriptor(try File(raw: 0).duplicate()).file.raw) + 16)
      var fillers: [SharedDescriptor] = []
      while let filler = try? File(raw: 0).duplicate() { fillers.append(SharedDescriptor(filler)) }
      try #require(!fillers.isEmpty)
      try #require(try bench.bench.client.createBlob(1, byteCount: UInt64(picture.bytes.count), buffers) == .okNoData)
      try #require(try bench.bench.client.setScanoutBlob(0, 1, width: 100, height: 60, stride: 400) == .okNoData)
      try #require(try bench.bench.client.flush(1, rectangle(0, 0, 100, 60)) == .okNoData)
      try compositor.serve(until: "configured") { compositor.log.contains("xdg_surface.ack_configure") }
      try #require(!compositor.log.contains("wl_shm.create_pool"))
      fillers = []
      try compositor.serve(until: "shown") { compositor.window.flatMap { compositor.picture($0) } == picture }
    }
  }

  /// One that listens and takes nobody in: how long it takes to find that out says nothing good about it.
  @Test func aCompositorThatStallsIsToldOfOnce() throws {
    let tries = WindowBench.Reports()
    let bench = try WindowBench { () throws(Errno) in
      tries.add("again")
      usleep(2_100_000)
      throw .tryAgain
    }
    #expect(eventually { tries.all.count >= 3 })
    #expect(bench.reports.all.count == 1, "\(bench.reports.all)")
  }
}
