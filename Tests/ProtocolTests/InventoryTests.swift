// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// No wire struct escapes these tests: every struct of the protocol rooms that calls itself a WireValue is named by a
/// table of layouts, or is an option set or a named number (one integer), or is one of the few that another struct
/// proves.
@Suite struct InventoryTests {
  /// Heads of other structs: `compatStructsAreTheHeadOfTheFullOnes`.
  static let provedElsewhere: Set<String> = ["FuseInitInCompat", "FuseSetxattrInCompat"]

  @Test(arguments: ["FuseProtocol", "VhostUserProtocol", "VirtioProtocol", "BlockProtocol", "GPUProtocol"])
  func everyWireStructIsTested(room: String) throws {
    let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../Protocols/\(room)").resolvingSymlinksInPath()
    var tested = Self.provedElsewhere
    let layouts =
      FuseLayouts.all + VhostUserLayoutTests.structs + VirtioLayoutTests.structs + InflightLayoutTests.structs
      + BlockLayoutTests.structs + GPULayouts.all + DisplaySocketTests.structs
    for layout in layouts { tested.insert(layout.swiftName) }

    var found = 0
    for file in try FileManager.default.contentsOfDirectory(atPath: folder.path) where file.hasSuffix(".swift") {
      let text = try String(contentsOf: folder.appendingPathComponent(file), encoding: .utf8)
      for match in text.matches(of: /public struct (\w+): ([^{]*)\{/) where match.2.contains("WireValue") {
        if match.2.contains("OptionSet") || match.2.contains("RawRepresentable") { continue }
        found += 1
        #expect(tested.contains(String(match.1)), "\(file): \(match.1)")
      }
    }
    #expect(found >= 4, "the search of \(folder.path) finds too little to be right")
  }
}
