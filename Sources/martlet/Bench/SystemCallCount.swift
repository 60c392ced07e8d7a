// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// System calls per operation, counted by strace in a pass of its own: a traced backend is several times slower, so
// nothing else is taken from that pass.

internal import Linux

/// Calls of a backend during one pass.
struct SystemCallCount {
  var operations = 0
  /// Most frequent first.
  var calls: [(name: String, count: Int)] = []

  var perOperation: Double {
    operations > 0 ? Double(calls.reduce(0) { $0 + $1.count }) / Double(operations) : 0
  }

  /// The names with their counts per operation, for people.
  var detail: String {
    calls.filter { Double($0.count) / Double(max(operations, 1)) >= 0.05 }
      .map { "\($0.name) \(Format.number(Double($0.count) / Double(max(operations, 1))))" }
      .joined(separator: ", ")
  }

  private static let attachNanoseconds: Int64 = 5_000_000_000

  /// Takes a turn with the backend under strace. Nil if strace cannot be started or cannot attach.
  static func take(
    _ meter: ProcessMeter, in folder: String, _ turn: () throws(HumanError) -> Sample
  ) throws(HumanError) -> SystemCallCount? {
    let report = "\(folder)/strace"
    var line = ["strace", "-f", "-c", "-o", report]
    for identifier in meter.identifiers { line += ["-p", String(identifier)] }
    guard let tracer = try? ChildProcess.spawn(line, files: [nil, nil, nil]) else { return nil }
    let deadline = Clock.monotonic + attachNanoseconds
    while !meter.isTraced {
      let ended = try? tracer.waitWithoutBlocking()
      if ended != nil || Clock.monotonic > deadline {
        if ended == nil { end(tracer) }
        return nil
      }
      Pause.milliseconds(10)
    }
    let sample: Sample
    do throws(HumanError) {
      sample = try turn()
    } catch {
      end(tracer)
      throw error
    }
    end(tracer)
    guard sample.operations > 0, let text = try? Path(report).contents() else { return nil }
    return SystemCallCount(operations: sample.operations, calls: parse(text))
  }

  /// strace writes its summary when it is interrupted.
  private static func end(_ tracer: ChildProcess) {
    try? Signal.interrupt.send(to: tracer.identifier)
    _ = try? tracer.wait()
  }

  /// Lines of "% time, seconds, usecs/call, calls, [errors,] syscall".
  private static func parse(_ text: String) -> [(name: String, count: Int)] {
    var calls: [(name: String, count: Int)] = []
    for line in text.split(separator: "\n") {
      let fields = line.split(separator: " ")
      guard fields.count >= 5, let count = Int(fields[3]), let name = fields.last, name != "total" else { continue }
      calls.append((String(name), count))
    }
    return calls.sorted { $0.count > $1.count }
  }
}
