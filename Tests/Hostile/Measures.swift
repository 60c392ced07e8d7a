// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a run may not change: open descriptors and private memory of this process, in which both sides run.

import Foundation
import Testing

struct Footprint {
  /// What each open descriptor refers to.
  let descriptors: [String]
  /// RssAnon of /proc/self/status: guest memory is shared and does not count.
  let privateKiB: Int

  /// The test runtime opens descriptors of its own when a timer is first used: before anything is counted.
  private static let runtimeStarted: Void = {
    let done = DispatchSemaphore(value: 0)
    DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(1)) { done.signal() }
    done.wait()
  }()

  static func now() throws -> Footprint {
    _ = runtimeStarted
    let files = FileManager.default
    // The one with which the directory itself is read is gone when its link is read.
    let open = try files.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { number in
      try? files.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)")
    }
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") }
    let number = line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first
    // Timers and epoll instances are the runtime's: nothing under test has any.
    let ours = open.filter { !$0.hasSuffix("[timerfd]") && !$0.hasSuffix("[eventpoll]") }
    return Footprint(descriptors: ours.sorted(), privateKiB: number.flatMap { Int($0) } ?? 0)
  }

  /// Expects that nothing has leaked since `earlier`. No more descriptors may be open after a moment; memory may grow
  /// by `growthMiB`, which is what allocators keep and far less than a leak per request would come to.
  static func expectSame(
    as earlier: Footprint, growthMiB: Int, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var later = try now()
    let deadline = Date().addingTimeInterval(60)
    while later.descriptors.count > earlier.descriptors.count, Date() < deadline {
      Thread.sleep(forTimeInterval: 0.01)
      later = try now()
    }
    let change = later.descriptors.difference(from: earlier.descriptors)
    #expect(
      later.descriptors.count <= earlier.descriptors.count, "descriptors leaked: \(change)",
      sourceLocation: sourceLocation)
    let growth = later.privateKiB - earlier.privateKiB
    #expect(growth <= growthMiB * 1024, "private memory grew by \(growth) KiB", sourceLocation: sourceLocation)
  }
}

/// Waits until `condition` holds; false after a minute.
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
  let deadline = Date().addingTimeInterval(60)
  while Date() < deadline {
    if try condition() { return true }
    Thread.sleep(forTimeInterval: 0.005)
  }
  return try condition()
}

/// Runs the body of a test that has a process of its own: an error that leaves such a process ends it without a word.
func reporting(_ body: () throws -> Void) {
  do {
    try body()
  } catch {
    Issue.record(error)
  }
}
