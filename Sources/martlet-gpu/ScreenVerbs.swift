// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What can be asked on the control socket beside what every daemon answers. Each verb names a screen by its number; the
// first one is meant where none is named.

internal import Daemon
internal import Graphics

enum ScreenVerbs {
  static func all(_ device: GraphicsDevice) -> [ControlVerb] {
    [
      ControlVerb("screens", summary: "the screens, their sizes and what the guest shows") {
        request throws(HumanError) in
        if let word = request.words.first { throw .failure("'\(word)' has no place here; ask for 'help'") }
        let screens = device.scanouts
        return request.wantsJSON ? .json(.array(screens.map { json($0) })) : .text(text(screens))
      },
      ControlVerb("screenshot", usage: "[SCREEN] [png|ppm]", summary: "a picture of what the guest shows") {
        request throws(HumanError) in try screenshot(device, request)
      },
      ControlVerb("resize", usage: "[SCREEN] WxH", summary: "another size for a screen; the guest is told") {
        request throws(HumanError) in try resize(device, request)
      },
    ]
  }

  // MARK: Words

  /// Takes the screen's number off `words`; the first screen if they do not begin with one.
  private static func screen(
    _ words: inout ArraySlice<String>, _ device: GraphicsDevice
  ) throws(HumanError) -> Int {
    guard let word = words.first, let number = Int(word) else { return 0 }
    let count = device.scanouts.count
    guard (0..<count).contains(number) else {
      throw .failure("there is no screen \(number); they are 0 to \(count - 1)")
    }
    words.removeFirst()
    return number
  }

  private static func screenshot(
    _ device: GraphicsDevice, _ request: ControlRequest
  ) throws(HumanError) -> ControlAnswer {
    var words = request.words[...]
    let number = try screen(&words, device)
    let format = words.popFirst() ?? "png"
    guard words.isEmpty, format == "png" || format == "ppm" else {
      throw .failure("a screenshot is png or ppm, not '\(([format] + words).joined(separator: " "))'")
    }
    guard let frame = device.screenshot(number) else {
      throw .failure("screen \(number) shows nothing: the guest has not turned it on, or has turned it off")
    }
    guard let picture = format == "ppm" ? frame.ppm : frame.png else {
      throw .failure("there is not enough memory for the picture; try again later, or with a smaller screen")
    }
    return .bytes(picture)
  }

  private static func resize(
    _ device: GraphicsDevice, _ request: ControlRequest
  ) throws(HumanError) -> ControlAnswer {
    var words = request.words[...]
    let number = try screen(&words, device)
    guard let word = words.popFirst(), words.isEmpty, let size = ScreenSize(argument: word) else {
      throw .failure("a size is needed, such as 1920x1080, and nothing else")
    }
    let sizes = GraphicsOptions.sizes
    if device.isShownByFrontend {
      throw .failure("the hypervisor shows this guest's screens and decides their sizes; resize its display")
    }
    guard device.resize(number, width: size.width, height: size.height) else {
      throw .failure(
        "a screen has a width and a height from \(sizes.lowerBound) to \(sizes.upperBound), not \(word)")
    }
    let screen = device.scanouts.first { $0.index == number }
    return request.wantsJSON ? .json(screen.map { json($0) } ?? .null) : .text("screen \(number) is \(word) now")
  }

  // MARK: Answers

  private static func json(_ screen: ScanoutReport) -> JSON {
    .object([
      "screen": .number(Int64(screen.index)), "width": .number(Int64(screen.width)),
      "height": .number(Int64(screen.height)),
      "shown_width": screen.shownWidth.map { .number(Int64($0)) } ?? .null,
      "shown_height": screen.shownHeight.map { .number(Int64($0)) } ?? .null,
      "flushes": .count(screen.flushCount),
    ])
  }

  private static func text(_ screens: [ScanoutReport]) -> String {
    var table = TextTable(header: ["screen", "size", "shown", "flushes"])
    for screen in screens {
      let shown = screen.shownWidth.flatMap { width in screen.shownHeight.map { "\(width)x\($0)" } }
      table.add(["\(screen.index)", "\(screen.width)x\(screen.height)", shown ?? "off", "\(screen.flushCount)"])
    }
    return table.text
  }
}
