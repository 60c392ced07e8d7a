// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

extension Mounts {
  /// Random operations with every byte known, over a mount. Invariants: a file reads as a model in memory says whatever
  /// was done to it; several processes in one tree see errors that their races explain and no others, and each file
  /// holds what was written last; the share's directory shows the same tree, links, attributes and contents. The other
  /// backends pass too, which checks the checks; on a plain directory that somebody spoils they fail.
  @Suite(.enabled(if: Programs.canMount, Programs.cannotMount), .timeLimit(.minutes(30)))
  struct MountRandomTests {
    struct Row: Sendable, CustomTestStringConvertible {
      var kind = ShareBackend.ours
      var options: [String] = []

      var testDescription: String { ([kind.rawValue] + options).joined(separator: " ") }
    }

    static let rows: [Row] =
      ShareBackend.all.map { Row(kind: $0) } + [
        Row(options: ["--writeback"]), Row(options: ["--cache=never"]), Row(options: ["--allow-direct-io"]),
      ]
      + (Programs.isSlow
        ? [
          Row(options: ["--cache=always"]), Row(options: ["--cache=never", "--allow-mmap", "--allow-direct-io"]),
          Row(options: ["--inode-file-handles=never"]), Row(options: ["--inode-file-handles=mandatory"]),
          Row(options: ["--flock", "--posix-lock"]), Row(options: ["--writeback", "--allow-direct-io"]),
        ] : [])

    /// Shows what a run says of itself, and expects that it went well.
    private func expectGood(_ outcome: Outcome, _ name: String, _ row: Row, _ mount: MountedShare) {
      let lines = outcome.output.split(separator: "\n")
      for line in lines where line.hasPrefix("ok ") || line.hasPrefix("not ok ") {
        print("\(row.testDescription): \(line)")
      }
      let isGood = outcome.status == 0 && lines.contains { $0.hasPrefix("ok \(name): ") }
      #expect(isGood, "\(outcome.output)\n\(mount.mount.log)\n\(mount.folder.backend.log.suffix(2000))")
    }

    @Test(arguments: rows) func oneFileIsWhatItsModelSays(_ row: Row) async throws {
      let check = try await PosixCheck.program.value
      let mount = try await MountedShare(row.kind, options: row.options)
      let operations = Programs.isSlow ? 100_000 : 2000
      let outcome = try await shell(
        "'\(check)' fsx . --direct --operations \(operations) --seed \(PosixCheck.seed)", in: mount.tree, seconds: 900)
      expectGood(outcome, "fsx", row, mount)
      #expect(try await mount.end().status == 0)
    }

    @Test(arguments: rows) func manyProcessesLeaveATreeThatBothSidesSee(_ row: Row) async throws {
      let check = try await PosixCheck.program.value
      let mount = try await MountedShare(row.kind, options: row.options)
      let operations = Programs.isSlow ? 20_000 : 1000
      let outcome = try await shell(
        "'\(check)' stress . --operations \(operations) --seed \(PosixCheck.seed)", in: mount.tree, seconds: 900)
      expectGood(outcome, "stress", row, mount)
      let seen = try await shell("'\(check)' tree --links stress", in: mount.tree, seconds: 300)
      let own = try await shell("'\(check)' tree --links stress", in: mount.share, seconds: 300)
      #expect(seen.status == 0 && own.status == 0, "\(seen.output.suffix(500))\n\(own.output.suffix(500))")
      let odd = Set(own.output.split(separator: "\n")).symmetricDifference(seen.output.split(separator: "\n")).sorted()
      #expect(odd.isEmpty, "\(odd.prefix(20).joined(separator: "\n"))")
      #expect(try await mount.end().status == 0)
    }
  }
}

/// Where no Martlet is involved. Invariants: the runs pass, the same seed leads to the same tree, and a file that is
/// written to behind the run's back is noticed.
@Suite(.timeLimit(.minutes(30))) struct RandomRunTests {
  private func run(_ arguments: String, in place: Workplace) async throws -> Outcome {
    try await shell("'\(PosixCheck.program.value)' \(arguments)", in: place.path, seconds: 200)
  }

  @Test func aSeedIsOneRun() async throws {
    var trees: [String] = []
    for _ in 0..<2 {
      let place = try Workplace()
      let outcome = try await run("stress . --processes 1 --operations 2000 --seed 11", in: place)
      #expect(outcome.status == 0, "\(outcome.output)")
      trees.append(try await run("tree --links stress", in: place).output)
    }
    #expect(trees[0] == trees[1] && trees[0].contains("\nl "), "\(trees)")
    let place = try Workplace()
    for start in [0, 700] {
      let outcome = try await run("fsx . --operations 1000 --seed 12 --replay-from \(start)", in: place)
      #expect(outcome.status == 0, "\(outcome.output)")
    }
  }

  /// By a process that writes into every file of the run until the run ends.
  @Test(arguments: ["fsx . --operations 1000000", "stress . --operations 1000000"])
  func whatSomebodySpoilsIsNoticed(_ arguments: String) async throws {
    let place = try Workplace()
    let check = try await PosixCheck.program.value
    let outcome = try await shell(
      """
      (while sleep 0.02; do
        find . -type f -exec sh -c 'for f; do test -s "$f" && printf spoiled 1<> "$f"; done' sh {} +
      done) > /dev/null 2>&1 & spoiler=$!
      '\(check)' \(arguments) --seed \(PosixCheck.seed); status=$?
      kill $spoiler; exit $status
      """, in: place.path, seconds: 200)
    #expect(outcome.status == 1, "\(outcome.output)")
    #expect(outcome.output.contains("\nnot ok "), "\(outcome.output)")
    #expect(outcome.output.contains("\nthe last "), "\(outcome.output)")
    #expect(outcome.output.contains("\nagain: posixcheck "), "\(outcome.output)")
  }
}
