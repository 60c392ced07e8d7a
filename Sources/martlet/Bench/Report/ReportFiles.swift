// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Where a report goes. Each file is replaced whole, so that a reader, or a run that is killed, never sees half of one.

internal import ArgumentParser
internal import Linux

struct ReportFiles: ParsableArguments {
  @Option(help: ArgumentHelp("Write the results for programs, after each work.", valueName: "file"))
  var json: String?

  @Option(help: ArgumentHelp("Write the tables as Markdown, after each work.", valueName: "file"))
  var markdown: String?

  @Option(help: ArgumentHelp("Write a picture, after each work.", valueName: "file.svg"))
  var plot: String?

  func write(_ report: Report) throws(HumanError) {
    if let json { try HostFiles.replace(json, with: report.json.text) }
    if let markdown { try HostFiles.replace(markdown, with: report.tables(.markdown) + "\n" + Report.legend + "\n") }
    if let plot, let picture = report.plot() { try HostFiles.replace(plot, with: picture) }
  }

  /// What an earlier run wrote to the file of --json; nothing if there is none.
  func earlier() throws(HumanError) -> Report {
    guard let json, (try? Path(json).status()) != nil else { return Report() }
    return try ReportFiles.read(json)
  }

  static func read(_ path: String) throws(HumanError) -> Report {
    let text: String
    do throws(Errno) { text = try Path(path).contents() } catch {
      throw .failure("cannot read \(path): \(error.message)")
    }
    guard let json = JSON(parsing: text), let report = Report(json: json) else {
      throw .failure("\(path) is no report of this version of martlet bench; measure again")
    }
    return report
  }
}
