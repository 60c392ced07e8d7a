// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The checks themselves, on a plain directory of this machine: what fails there says nothing about a share.

import Foundation
import Testing

extension Guests {
  /// Invariant: posixcheck passes where no Martlet is involved.
  @Suite(.enabled(if: GuestRig.hasGuest(.qemu), GuestRig.unavailable)) struct OracleTests {
    @Test("the POSIX checks pass on a plain directory", .timeLimit(.minutes(30)))
    func plainDirectory() async throws {
      let place = try Workplace()
      defer { place.remove() }
      let guests = try #require(GuestRig.guests)
      let status = try await runToEnd(
        "\(guests)/posixcheck", [place.share.path], in: place.home, output: place.console)
      let console = try String(decoding: Data(contentsOf: place.console), as: UTF8.self)
      let report = GuestReport(status: status, console: console)
      #expect(report.failures.isEmpty, "\(report.failures.joined(separator: "\n"))")
      #expect(report.passed > 150)
      #expect(status == 0)
    }
  }
}
