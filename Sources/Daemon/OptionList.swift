// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// The value of an option that holds several (`--share tag=a,source=b`).
public enum OptionList {
  /// One of them, `key=value` or a word alone.
  public struct Item: Equatable, Sendable {
    public let text: String
    public let key: String
    public let value: String?

    init(_ text: String) {
      self.text = text
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      key = String(parts[0])
      value = parts.count > 1 ? String(parts[1]) : nil
    }
  }

  /// Items between commas; a doubled comma is one that belongs to the item (QEMU's rule).
  public static func items(_ list: String) -> [Item] {
    var items: [String] = []
    var item = ""
    var rest = list[...]
    while let character = rest.popFirst() {
      if character != "," {
        item.append(character)
      } else if rest.first == "," {
        item.append(",")
        rest.removeFirst()
      } else {
        items.append(item)
        item = ""
      }
    }
    items.append(item)
    return items.filter { !$0.isEmpty }.map { Item($0) }
  }
}
