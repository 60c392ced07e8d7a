// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// martlet bench display: screens (virtio-gpu), straight through virtqueues.

internal import ArgumentParser
internal import Linux

struct BenchDisplay: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "display", abstract: "Measures screens (virtio-gpu).",
    discussion: """
      Starts martlet-gpu and every --rival, a program with the options of QEMU's vhost-user-gpu, and drives them in \
      turn with the commands that Linux sends: page flips, small damage, cursors. Modes say how ours is attached: qemu \
      (the frontend shows the screen, as QEMU's vhost-user-gpu device does; this program plays that side), plain \
      (pictures in blobs of guest memory, nobody looks but for screenshots), plain-2d (without blobs), png (plain, \
      screenshots are compressed), vnc (plain, with a viewer that takes raw pixels as they come), zrle (a viewer that \
      takes them compressed). png and zrle show a page of text, which is not as easy as an empty screen. A rival is \
      attached in QEMU's dialect in all of them.
      """)

  @Option(help: ArgumentHelp("Our backend; default: martlet-gpu beside this program.", valueName: "program"))
  var ours: String?

  @OptionGroup(title: "Who") var rivals: RivalOptions

  @Option(name: .customLong("modes"), help: ArgumentHelp("\(DisplayMode.names).", valueName: "list"))
  var modes = "qemu,plain,plain-2d,png,vnc,zrle"

  @OptionGroup var options: BenchOptions

  func run() throws {
    try options.check()
    let works = try options.chosen(from: DisplayWorks.all)
    if options.list { return options.show(names: works) }
    let modes = try BenchMode.chosen(modes, of: DisplayMode.self)
    let specs = try rivals.specs(ours: ours, called: "martlet-gpu", socket: nil)
    let interruption = try Interruption()
    let folder = try BenchFolder()
    defer { HostFiles.removeTree(folder.path) }
    let starter = DisplayStarter(specs: specs, folder: folder.path)
    let pollNanoseconds = options.pollNanoseconds
    var plan = BenchPlan(
      modes: modes, works: works, pace: options.pace, countsSystemCalls: options.systemCalls, folder: folder.path,
      files: options.files, hasRival: specs.count > 1,
      enroll: { (mode) throws(HumanError) in
        guard let way = DisplayMode(rawValue: mode.name) else { return [] }
        return try starter.all(way, pollNanoseconds: pollNanoseconds) + [GatherLimit()]
      })
    plan.belongs = DisplayWorks.belongs
    plan.goals = DisplayWorks.goals
    try options.show(plan, interruption)
  }
}
