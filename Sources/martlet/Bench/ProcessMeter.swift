// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a backend costs its host, read from /proc: a backend is a process and what it has started (the sandboxes of
// martlet-fs and of virtiofsd serve from a child).

internal import Linux

/// A process and its descendants as they were when this was made.
struct ProcessMeter {
  /// The process first, then what it started.
  let identifiers: [Int32]

  init(of process: Int32) {
    var parents: [Int32: [Int32]] = [:]
    for entry in (try? HostFiles.entries("/proc")) ?? [] {
      guard let identifier = Int32(entry.name), let parent = ProcessMeter.parent(of: identifier) else { continue }
      parents[parent, default: []].append(identifier)
    }
    var found = [process]
    var index = 0
    while index < found.count {
      found += parents[found[index]] ?? []
      index += 1
    }
    identifiers = found
  }

  /// CPU time that all threads have used, in nanoseconds. The kernel books a running thread's time at its next tick or
  /// sleep: let the backend come to rest before reading.
  var processorNanoseconds: Int64 {
    threads.reduce(0) { sum, thread in
      // schedstat: time on a processor, time waiting for one, time slices.
      guard let text = try? Path("\(thread)/schedstat").contents(), let first = text.split(separator: " ").first
      else { return sum }
      return sum + (Int64(first) ?? 0)
    }
  }

  /// Resident memory that belongs to no file, in bytes.
  var anonymousBytes: Int64 {
    identifiers.reduce(0) { sum, identifier in
      guard let text = try? Path("/proc/\(identifier)/status").contents() else { return sum }
      return sum + (ProcessMeter.field("RssAnon", of: text) ?? 0) * 1024
    }
  }

  /// True if a tracer is attached to every thread.
  var isTraced: Bool {
    threads.allSatisfy { thread in
      guard let text = try? Path("\(thread)/status").contents() else { return true }
      return ProcessMeter.field("TracerPid", of: text) != 0
    }
  }

  private var threads: [String] {
    identifiers.flatMap { identifier in
      ((try? HostFiles.entries("/proc/\(identifier)/task")) ?? []).map { "/proc/\(identifier)/task/\($0.name)" }
    }
  }

  private static func parent(of identifier: Int32) -> Int32? {
    guard let text = try? Path("/proc/\(identifier)/stat").contents(), let end = text.lastIndex(of: ")") else {
      return nil
    }
    // After the name in parentheses: state, parent.
    let fields = text[end...].split(separator: " ")
    return fields.count > 2 ? Int32(fields[2]) : nil
  }

  /// A number of /proc/PID/status.
  private static func field(_ name: String, of text: String) -> Int64? {
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name + ":") }) else { return nil }
    return Int64(line.dropFirst(name.count + 1).drop(while: \.isWhitespace).prefix(while: \.isNumber))
  }
}
