// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Where a run stands: a bar on standard error if that is a terminal, else a line per work.

internal import Linux
internal import Wire

final class Progress {
  private let steps: Int
  private var step = 0
  private var title = ""
  private let isTerminal = Terminal.isTerminal(File(raw: 2))
  private static let barWidth = 24

  init(steps: Int) {
    self.steps = max(steps, 1)
  }

  /// The next step begins.
  func begin(_ title: String) {
    step += 1
    self.title = title
    if isTerminal { show("") } else { write("\(step)/\(steps) \(title)\n") }
  }

  /// What is going on within the step.
  func show(_ detail: String) {
    guard isTerminal else { return }
    let filled = (step - 1) * Self.barWidth / steps
    let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: Self.barWidth - filled)
    let line = "[\(bar)] \(step)/\(steps) \(title)" + (detail.isEmpty ? "" : " (\(detail))")
    write("\r\u{1b}[K" + String(line.prefix(max(Terminal.columns(File(raw: 2)) - 1, 20))))
  }

  func clear() {
    if isTerminal { write("\r\u{1b}[K") }
  }

  private func write(_ text: String) {
    // Nobody reads it: there is nobody to tell.
    try? File(raw: 2).write(text)
  }
}

/// What is asked of a terminal.
enum Terminal {
  private static let getAttributes: UInt = 0x5401
  private static let getWindowSize: UInt = 0x5413

  static func isTerminal(_ file: File) -> Bool {
    let attributes = Scratch(byteCount: 256)
    return (try? file.control(getAttributes, attributes.segment)) != nil
  }

  static func columns(_ file: File) -> Int {
    let size = Scratch(byteCount: 8)
    size.segment.zero()
    guard (try? file.control(getWindowSize, size.segment)) != nil,
      let columns = size.segment.load(UInt16.self, at: 2), columns > 0
    else { return 80 }
    return Int(columns)
  }
}
