// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// martlet bench: the same work for our backends and their rivals, in turn. The commands are in the folders of what they
// measure; BenchRun has the order of a run.

internal import ArgumentParser
internal import Linux

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measures backends, in turn and with the same work.",
    subcommands: [BenchShare.self, BenchVolume.self, BenchDisplay.self, BenchRings.self, BenchReport.self])
}

/// Tables and pictures again, from what a run wrote.
struct BenchReport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "report", abstract: "Makes tables and a picture of what a bench wrote with --json.")

  @Argument(help: ArgumentHelp("What a run wrote with --json.", valueName: "file"))
  var file: String

  @OptionGroup(title: "Results") var files: ReportFiles

  func run() throws {
    let report = try ReportFiles.read(file)
    if files.plot != nil, report.plot() == nil {
      throw HumanError.failure("nothing in \(file) was measured against a rival, so there is nothing to draw")
    }
    try files.write(report)
    if files.markdown == nil, files.plot == nil, files.json == nil {
      try File(raw: 1).write(report.tables(.text) + "\n" + Report.legend + "\n")
    }
  }
}
