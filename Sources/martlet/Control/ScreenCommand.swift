// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// `martlet screen`: what a guest of martlet-gpu shows, through the daemon's control socket.

internal import ArgumentParser
internal import Linux

struct ScreenCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "screen",
    abstract: "Shows and resizes the screens of a guest of martlet-gpu.",
    subcommands: [Shot.self, List.self, Resize.self])

  /// A picture's format.
  enum Format: String, ExpressibleByArgument, CaseIterable {
    case png
    case ppm

    /// By the end of a file's name; nil if it ends otherwise.
    init?(name: String) {
      guard let format = Format.allCases.first(where: { name.lowercased().hasSuffix(".\($0.rawValue)") }) else {
        return nil
      }
      self = format
    }

    /// True if a picture of this format begins and ends as one does: nothing of it is missing.
    func isWhole(_ picture: [UInt8]) -> Bool {
      switch self {
      case .png:
        // The signature, and the last chunk: no data, "IEND" and its checksum (ISO/IEC 15948, sections 5.2 and 11.2.5).
        return picture.starts(with: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
          && Array(picture.suffix(12)) == [0, 0, 0, 0] + Array("IEND".utf8) + [0xae, 0x42, 0x60, 0x82]
      case .ppm:
        let head = picture.prefix(32).split(separator: UInt8(ascii: "\n"), maxSplits: 3)
        guard head.count == 4, head[0].elementsEqual("P6".utf8) else { return false }
        let size = head[1].split(separator: UInt8(ascii: " ")).compactMap { Int(String(decoding: $0, as: UTF8.self)) }
        let headCount = head[0].count + head[1].count + head[2].count + 3
        return size.count == 2 && picture.count - headCount == size[0] * size[1] * 3
      }
    }
  }

  struct Shot: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "shot",
      abstract: "Takes a picture of what the guest shows: a whole frame.",
      discussion: """
        The file is written when the whole picture is there, and replaces one of that name. Without a file, or with -, \
        the picture goes to standard output.
        """)

    @OptionGroup var control: ControlOptions

    @Option(help: ArgumentHelp("Which screen; the first is 0.", valueName: "number"))
    var screen = 0

    @Option(help: ArgumentHelp("png or ppm. Default: what the file's name says, else png.", valueName: "format"))
    var format: Format?

    @Argument(help: ArgumentHelp("Where the picture goes.", valueName: "file"))
    var file = "-"

    func run() throws {
      let format = format ?? Format(name: file) ?? .png
      if file == "-", Terminal.isTerminal(File(raw: 1)) {
        throw HumanError.usage("a picture is nothing for a terminal; give a file, or redirect standard output")
      }
      let picture = try control.ask(["screenshot", "\(screen)", format.rawValue])
      guard format.isWhole(picture) else {
        throw HumanError.failure(
          "the daemon at '\(control.controlSocket)' sent no whole \(format.rawValue) picture; ask it again")
      }
      if file == "-" { try control.show(picture) } else { try HostFiles.replace(file, with: picture) }
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "list", abstract: "Tells the screens, their sizes and what the guest shows.")

    @OptionGroup var control: ControlOptions

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
      try control.show(try control.ask(["screens"], json: json))
    }
  }

  struct Resize: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "resize",
      abstract: "Gives a screen another size; the guest is told, and usually follows.",
      discussion: "Where QEMU shows the screens (vhost-user-gpu), its display decides their sizes.")

    @OptionGroup var control: ControlOptions

    @Option(help: ArgumentHelp("Which screen; the first is 0.", valueName: "number"))
    var screen = 0

    @Argument(help: ArgumentHelp("The size in pixels, such as 1920x1080.", valueName: "WxH"))
    var size: String

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
      try control.show(try control.ask(["resize", "\(screen)", size], json: json))
    }
  }
}
