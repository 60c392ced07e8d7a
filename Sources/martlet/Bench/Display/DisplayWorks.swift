// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The matrix of `martlet bench display`, and who looks at the screen meanwhile.

/// What a guest does to its screen, over and over.
struct PictureWork {
  enum Task {
    /// Another framebuffer is shown: the whole picture is new.
    case flip
    /// A square of this side changes in the framebuffer that is shown.
    case damage(side: Int)
    /// From the driver's kick until the frame has arrived where it is looked at; one at a time.
    case seen(side: Int?)
    /// The whole framebuffer goes to the host and is not shown.
    case gather
    /// The cursor moves.
    case cursor
  }

  let task: Task
  let width: Int
  let height: Int

  static let bytesPerPixel = 4
  var stride: Int { width * Self.bytesPerPixel }
  var byteCount: Int { stride * height }
}

/// How our backend is attached, and by what its screen is looked at. Rivals know QEMU's dialect only.
enum DisplayMode: String, CaseIterable {
  /// QEMU's dialect: the frontend's own display, through its socket.
  case qemu
  /// The plain dialect, pictures in blobs of guest memory; nobody looks but for screenshots.
  case plain
  /// The plain dialect without blobs.
  case plain2d = "plain-2d"
  /// As `plain`, with screenshots as PNG of a screen that is not empty.
  case png
  /// The plain dialect, with a VNC viewer that takes raw pixels as fast as they come.
  case vnc
  /// As `vnc`, with a viewer that wants them compressed, of a screen that is not empty.
  case zrle

  var usesBlobs: Bool { self != .qemu && self != .plain2d }
  var hasViewer: Bool { self == .vnc || self == .zrle }
  /// How long a frame takes depends on what it shows.
  var compresses: Bool { self == .png || self == .zrle }

  static let names = allCases.map { $0.rawValue }.joined(separator: ", ")
}

enum DisplayWorks {
  private static let small = 64
  private static let sizes = [("1080p", 1920, 1080), ("2160p", 3840, 2160)]

  static let all: [Work] = {
    var works: [Work] = []
    for (name, width, height) in sizes {
      let isSmaller = height == 1080
      let tasks: [(String, PictureWork.Task, essential: Bool)] = [
        ("flip", .flip, true), ("damage 64x64", .damage(side: small), isSmaller),
        ("seen", .seen(side: nil), true), ("seen 64x64", .seen(side: small), isSmaller), ("gather", .gather, true),
        ("cursor", .cursor, isSmaller),
      ]
      for (task, kind, isEssential) in tasks {
        var work = Work(
          name: "\(task) \(name)", kind: .picture(PictureWork(task: kind, width: width, height: height)))
        work.isEssential = isEssential
        work.isQuick = isSmaller && (task == "flip" || task == "seen")
        works.append(work)
      }
    }
    return works
  }()

  /// What issue and study promise.
  static func goals(of work: Work, in mode: BenchMode) -> Goals {
    guard case .picture(let picture) = work.kind, let way = DisplayMode(rawValue: mode.name) else { return Goals() }
    let isSmaller = picture.height == 1080
    switch (picture.task, way) {
    case (.flip, .qemu): return Goals(speed: 2)
    case (.flip, .plain) where isSmaller: return Goals(speed: 5)
    // 1.5 times as long as the loop.
    case (.gather, _): return Goals(reference: 0.67)
    // A frame at 60 Hz.
    case (.seen(side: nil), .plain), (.seen(side: nil), .png), (.seen(side: nil), .vnc), (.seen(side: nil), .zrle):
      return isSmaller ? Goals(latency: 16_600) : Goals()
    default: return Goals()
    }
  }

  static func belongs(_ work: Work, to mode: BenchMode) -> Bool {
    guard case .picture(let picture) = work.kind, let way = DisplayMode(rawValue: mode.name) else { return false }
    // What compressing costs is seen in one row of each.
    if way.compresses {
      if case .seen(side: nil) = picture.task { return picture.height == 1080 }
      return false
    }
    return switch picture.task {
    case .flip: true
    case .damage: way != .plain2d
    case .seen(let side): way != .plain2d && (side == nil || way != .plain)
    // Whoever looks has no part in it.
    case .gather: way == .qemu
    case .cursor: way == .qemu || way == .plain
    }
  }
}
