// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Whole loads: what people do with a tree of files, by the programs that they do it with. An operation is a file of
// the tree, so that numbers of different trees can be compared.

internal import Linux

/// One of them.
enum TreeWork {
  /// tar -x.
  case unpack
  /// Every file read from its beginning to its end.
  case readBack
  /// git status in a clean repository.
  case status
  /// One run of the C compiler over a dozen units, and the linker.
  case compile
}

final class TreeRunner: Runner {
  private let work: TreeWork
  private let directory: String
  private let number: Int
  private let trees: TreeFiles
  private let interruption: Interruption
  /// How often something was unpacked: each time into a directory that nobody has seen.
  private var passes = 0

  private static let seconds: Int64 = 300

  init(_ work: TreeWork, in directory: String, number: Int, _ trees: TreeFiles, _ interruption: Interruption) {
    self.work = work
    self.directory = directory
    self.number = number
    self.trees = trees
    self.interruption = interruption
  }

  func turn(nanoseconds: Int64, meter: ProcessMeter?) throws(HumanError) -> Sample {
    var sample = Sample()
    repeat {
      try interruption.check()
      let processorStart = meter?.processorNanoseconds ?? 0
      let start = Clock.monotonic
      sample.operations += try pass()
      sample.nanoseconds += Clock.monotonic - start
      Pause.milliseconds(2)
      sample.processorNanoseconds += (meter?.processorNanoseconds ?? 0) - processorStart
      tidy()
    } while sample.nanoseconds < nanoseconds
    return sample
  }

  /// git looks closer at files that it sees for the first time; the others have no memory.
  var needsWarmUp: Bool { work == .status }

  func finish() {}

  /// One pass; returns how many files that were.
  private func pass() throws(HumanError) -> Int {
    switch work {
    case .unpack:
      passes += 1
      let target = "\(directory)/\(unpacked)"
      do throws(Errno) { try HostFiles.makeDirectory(target) } catch {
        throw .failure("cannot make \(target): \(error.message)")
      }
      try run(["tar", "-xf", trees.archive, "-C", target])
      return trees.contents.fileCount
    case .readBack:
      let found = try TreeContents.read("\(directory)/\(TreeFiles.tree)")
      guard found == trees.contents else {
        throw .failure("the tree came back changed: \(found) instead of \(trees.contents)")
      }
      return found.fileCount
    case .status:
      try run(TreeFiles.git(in: "\(directory)/\(TreeFiles.tree)") + ["status", "--porcelain"])
      return trees.contents.fileCount
    case .compile:
      let source = "\(directory)/\(TreeFiles.units)"
      let units = trees.unitNames.map { "\(source)/\($0)" }
      try run(["cc", "-O1", "-I\(source)", "-o", "\(source)/program-\(number)"] + units)
      return units.count
    }
  }

  private func run(_ line: [String]) throws(HumanError) {
    let log = "\(trees.folder)/program.log"
    let child: ChildProcess
    do throws(Errno) {
      let file = try Path(log).open(
        flags: OpenFlags.writeOnly | OpenFlags.create | OpenFlags.truncate, mode: 0o644)
      child = try ChildProcess.spawn(line, files: [nil, nil, file.file])
    } catch {
      throw .failure("cannot start \(line[0]): \(error.message)")
    }
    let end = try interruption.wait(for: child, seconds: Self.seconds)
    guard end == .code(0) else {
      let words = ((try? Path(log).contents()) ?? "").split(separator: "\n").last.map { "; it said: \($0)" } ?? ""
      let program = line.first { !$0.contains("=") && $0 != "env" } ?? line[0]
      throw .failure("\(program) ended with \(end.shellCode)\(words)")
    }
  }

  private var unpacked: String { "unpacked-\(number)-\(passes)" }

  /// What a pass left is removed on the host, beside the backend.
  private func tidy() {
    if work == .unpack { HostFiles.removeTree("\(trees.shared)/\(unpacked)") }
  }
}
