// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// The value of an option that holds several (`--share tag=a,source=b`).
public enum OptionList {
  /// Items between commas; a doubled comma is one that belongs to the item (QEMU's rule).
  public static func items(_ list: String) -> [String] {
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
    return items.filter { !$0.isEmpty }
  }
}
